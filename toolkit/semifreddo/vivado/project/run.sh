#!/bin/sh
# Builds the bitstream of this project; ./run.sh --help tells the options.
cd "$(dirname "$0")" || exit 1
for python in python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2> /dev/null; then
        exec "$python" run.py "$@"
    fi
done
echo "error: no Python 3.8 or newer on PATH; install one, nothing else is needed" >&2
exit 1
