# Prints how many seconds the report takes, as JSON: {"seconds": 0.231}
#
# Seconds of processor time, not of the clock: what else the machine does then matters much less.
export LC_ALL=C
TIMEFORMAT='%U %S'
spent=$({ time awk -f report.awk build/requests.log > /dev/null; } 2>&1) || { echo "$spent" >&2; exit 1; }
echo "$spent" | awk '{ printf "{\"seconds\": %.3f}\n", $1 + $2 }'
