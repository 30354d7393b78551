#!/bin/sh
# Installs the locked requirements and the project into the environment of $PYTHON,
# with one line that shows that something is going on.
set -eu

log=$(mktemp)
trap 'rm -f "$log"' EXIT

pip() {
    "$PYTHON" -m pip --disable-pip-version-check --no-input "$@" >>"$log" 2>&1
}

# Python compiles a module when it is first imported; most of these never are.
install_all() {
    pip install --no-compile -r requirements.txt && pip install --no-deps -e .
}

install_all &
installing=$!
trap 'kill "$installing" 2>/dev/null; rm -f "$log"; exit 130' INT TERM

seconds=0
while kill -0 "$installing" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    if [ -t 1 ]; then
        printf '\rInstalling the locked requirements: %s s' "$seconds"
    elif [ $((seconds % 15)) -eq 1 ]; then
        printf 'Installing the locked requirements: %s s\n' "$seconds"
    fi
done
if [ -t 1 ]; then printf '\n'; fi

if ! wait "$installing"; then
    tail -n 15 "$log" >&2
    echo "✗ The requirements could not be installed: see the lines above; is a package index reachable?" >&2
    exit 1
fi
