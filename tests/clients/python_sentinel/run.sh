#!/usr/bin/env bash
# Has redis-py and valkey-py find the primary through our sentinels, before and after failovers, under both protocols.
#
#   tests/clients/python_sentinel/run.sh [PROGRAM]
#
# PROGRAM is `slotmesh`, whose `up --sentinel` brings up a primary, two replicas and three sentinels: the debug build if
# none is given. The packages come from PyPI and lie with everything else in a folder that is removed at the end. The ports
# from FIRST_PORT (7500) on must be free.
set -euo pipefail

packages=("redis==${REDIS_PY_VERSION:-5.2.1}" "valkey==${VALKEY_PY_VERSION:-6.1.1}")
first=${FIRST_PORT:-7500}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

program=${1:-}
if [ -z "$program" ]; then
    (cd "$root" && cargo build --quiet --bin slotmesh)
    program=$target/debug/slotmesh
fi

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

work=$(mktemp -d)
up=
trap '[ -z "$up" ] || kill "$up" 2>/dev/null; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "${packages[@]}"

status=0
for package in "${packages[@]}"; do
    for protocol in 2 3; do
        for port in $(seq "$first" $((first + 5))); do
            if is_open "$port"; then
                echo "something listens on port $port already" >&2
                exit 2
            fi
        done
        "$program" up --sentinel --port "$first" >"$work/up.log" 2>&1 &
        up=$!
        for _ in $(seq 300); do
            grep -q '^Ready' "$work/up.log" && break
            sleep 0.1
        done
        echo "$package against $program, RESP$protocol"
        if ! timeout 120 "$work/venv/bin/python" "$here/story.py" "${package%%=*}" "$protocol" "$first"; then
            cat "$work/up.log" >&2
            status=1
        fi
        kill "$up"
        wait "$up" || true
        up=
    done
done
exit $status
