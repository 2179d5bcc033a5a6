#!/usr/bin/env bash
# Has ioredis find the primary through our sentinels, before and after failovers.
#
#   tests/clients/ioredis/run.sh [PROGRAM]
#
# PROGRAM is `slotmesh`, whose `up --sentinel` brings up a primary, two replicas and three sentinels: the debug build if
# none is given. ioredis comes from npm's registry (IOREDIS_VERSION says which) and lies with everything else in a folder
# that is removed at the end. The ports from FIRST_PORT (7500) on must be free.
set -euo pipefail

version=${IOREDIS_VERSION:-6.0.0}
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

for port in $(seq "$first" $((first + 5))); do
    if is_open "$port"; then
        echo "something listens on port $port already" >&2
        exit 2
    fi
done
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$work"' EXIT
cp "$here/story.mjs" "$work"
(cd "$work" && npm install --silent --no-save --no-audit --no-fund --no-package-lock "ioredis@$version")

"$program" up --sentinel --port "$first" >"$work/up.log" 2>&1 &
for _ in $(seq 300); do
    grep -q '^Ready' "$work/up.log" && break
    sleep 0.1
done
if ! grep -q '^Ready' "$work/up.log"; then
    cat "$work/up.log" >&2
    exit 2
fi
echo "ioredis $version against $program"
if ! (cd "$work" && timeout 120 node story.mjs "$first"); then
    cat "$work/up.log" >&2
    exit 1
fi
