# What tests share. A test reads it with `. tests/check.sh` and ends with `exit $failed`.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
TODO_FILE=$dir/list
export TODO_FILE
failed=0

# Prints the list as one line.
items() {
    sh todo.sh list | tr '\n' ';'
}

# check WHAT WANTED GOT
check() {
    if [ "$2" = "$3" ]; then
        echo "ok      $1"
    else
        echo "FAILED  $1: expected '$2', got '$3'"
        failed=1
    fi
}
