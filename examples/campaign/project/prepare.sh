# Makes the log that bench.sh measures with. It is not in git: each checkout that is measured makes its own.
mkdir -p build && sh make-log.sh 1500 7 > build/requests.log
