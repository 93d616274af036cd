# What a request log says: how many requests and visitors there were, and the five slowest paths.
# A line of the log is: visitor path milliseconds

{
    requests++
    see(field($0, 1))
    path = field($0, 2)
    count[path]++
    time[path] += field($0, 3)
}

END {
    print "requests " requests
    print "visitors " visitors
    paths = 0
    for (path in count) {
        paths++
        name[paths] = path
        mean[paths] = time[path] / count[path]
    }
    order()
    for (n = 1; n <= 5 && n <= paths; n++) printf "%d %s %.1f\n", n, name[n], mean[n]
}

# The n-th word of a line.
function field(line, n,    at, c, word) {
    word = ""
    for (at = 1; at <= length(line); at++) {
        c = substr(line, at, 1)
        if (c == " ") n--
        else if (n == 1) word = word c
    }
    return word
}

# Counts a visitor who was not here before.
function see(visitor,    n) {
    for (n = 1; n <= visitors; n++)
        if (known[n] == visitor) return
    visitors++
    known[visitors] = visitor
}

# The slowest path first; of two that are equally slow the one that comes first in the alphabet.
function order(    a, b) {
    for (a = 1; a < paths; a++)
        for (b = 1; b < paths; b++)
            if (is_before(b + 1, b)) swap(b, b + 1)
}

function is_before(a, b) {
    if (mean[a] != mean[b]) return mean[a] > mean[b]
    return name[a] < name[b]
}

function swap(a, b,    kept) {
    kept = name[a]; name[a] = name[b]; name[b] = kept
    kept = mean[a]; mean[a] = mean[b]; mean[b] = kept
}
