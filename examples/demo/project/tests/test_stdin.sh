#!/bin/sh
# Without arguments, slug.sh reads one title per line.
got=$(printf 'First Title\nSecond: Title\n' | sh slug.sh)
want=$(printf 'first-title\nsecond-title')
if [ "$got" = "$want" ]; then
    echo "ok      two lines"
else
    echo "FAILED  two lines: got '$got'"
    exit 1
fi
