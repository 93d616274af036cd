# make-log.sh LINES SEED: prints a request log, the same for the same numbers everywhere.
exec awk -v lines="$1" -v seed="$2" '
function next_number(below) {
    seed = (seed * 16807) % 2147483647
    return seed % below
}
BEGIN {
    for (n = 0; n < lines; n++)
        printf "10.0.%d.%d /shop/item%d %d\n", next_number(3), next_number(200), next_number(300), 5 + next_number(900)
}'
