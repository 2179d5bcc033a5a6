#!/usr/bin/env bash
# Runs the standalone tests of valkey-py 6.2.0 against slotmesh-server, and says what does not go as expected.txt tells.
#
#   tests/clients/valkey_py/run.sh [SERVER [PYTEST-ARGUMENT...]]
#
# SERVER is the program to test: the debug build if none is given. The suite comes with the source distribution of the
# package, from PyPI, and lies with what it needs in target/valkey-py; nothing of it is kept in the repository. It wants
# a server on port 6379 and a replica of it on port 6380, which some of its tests name, and takes some five minutes:
# each test under both protocols.
set -euo pipefail

version=6.2.0
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/valkey-py
primary=6379
replica=6380

server=${1:-}
if [ -z "$server" ]; then
    (cd "$root" && cargo build --quiet --bin slotmesh-server)
    server=$target/debug/slotmesh-server
fi
shift || true

mkdir -p "$work"
if [ ! -d "$work/valkey-$version" ]; then
    python3 -m pip download --quiet --no-deps --no-binary valkey --dest "$work" "valkey==$version"
    tar -xzf "$work/valkey-$version.tar.gz" -C "$work"
fi
if [ ! -x "$work/venv/bin/pytest" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet "$work/valkey-$version.tar.gz" libvalkey \
        pytest pytest-asyncio pytest-timeout cachetools mock numpy packaging ujson uvloop
fi

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

for port in $primary $replica; do
    if is_open "$port"; then
        echo "something listens on port $port already" >&2
        exit 2
    fi
done
data=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$data"' EXIT
start() {
    mkdir "$data/$1"
    "$server" --port "$1" --dir "$data/$1" --save "" --enable-debug-command yes "${@:2}" >"$work/server-$1.log" 2>&1 &
    for _ in $(seq 100); do
        is_open "$1" && return
        sleep 0.1
    done
    echo "no server on port $1: see $work/server-$1.log" >&2
    exit 2
}
start $primary
start $replica --replicaof 127.0.0.1 $primary

# Left out are tests of a cluster of six nodes, of modules, and of TLS, which ask for servers that are not started here.
status=0
for protocol in 2 3; do
    echo "valkey-py $version against $server, RESP$protocol"
    (cd "$work/valkey-$version" && PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 "$work/venv/bin/python" -m pytest \
        -p slotmesh_suite -p no:cacheprovider -o addopts= \
        --quiet --tb=short --timeout=60 \
        --protocol=$protocol --valkey-url="valkey://localhost:$primary/0" \
        -m "not onlycluster and not valkeymod and not ssl" \
        --ignore=tests/test_ssl.py --ignore=tests/test_cluster.py --ignore=tests/test_asyncio/test_cluster.py \
        tests "$@") </dev/null || status=$?
done
exit $status
