#!/bin/sh
# What slug.sh must do with one title.
failed=0

check() {
    got=$(sh slug.sh "$1")
    if [ "$got" = "$2" ]; then
        echo "ok      '$1' -> '$got'"
    else
        echo "FAILED  '$1': expected '$2', got '$got'"
        failed=1
    fi
}

check "Hello World" "hello-world"
check "Hello, World!" "hello-world"
check "  A   long -- title  " "a-long-title"
exit $failed
