#!/usr/bin/env python3
"""Memory per key: growth of the process and of used_memory over a million keys, ours beside the real servers.

Keys have 16 bytes; the values 8 or 64, or 64 with a time to live. Every server gets the same bytes over the network,
in the same order, into a fresh process.

    benches/memory.py
    benches/memory.py --only redis,valkey --keys 200000
"""

import sys
import time

from common import Client, Server, arguments, fill, servers, table

CASES = [("8 B value", 8, False), ("64 B value", 64, False), ("64 B value with TTL", 64, True)]
# Far enough that nothing expires while it is counted.
TTL_SECONDS = 1_000_000
# Looks at the process, 50 ms apart, until it is taken to be at rest in any case; and how many alike mean rest.
SETTLE_LOOKS_MAX, SETTLE_LOOKS_ALIKE = 200, 10


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    args = parser.parse_args()
    chosen = servers(args)
    rows = []
    for title, value_bytes, has_ttl in CASES:
        for at, (name, path) in enumerate(chosen):
            print(f"{title}, {name}", file=sys.stderr)
            rss, used = measure(path, args.port + at, args.keys, value_bytes, has_ttl)
            rows.append([title, name, f"{rss:.1f}", "-" if used is None else f"{used:.1f}"])
    table(["16 B key", "server", "RSS B/key", "used_memory B/key"], rows)


def measure(path, port, keys, value_bytes, has_ttl):
    """Bytes per key, by the system's and by the server's own account."""
    with Server(path, port) as server, Client(port) as client:
        rss_before, used_before = server.rss_bytes(), client.info("used_memory")
        options = ("EX", TTL_SECONDS) if has_ttl else ()
        # No two values alike, and none a number: nothing to share and nothing to pack.
        fill(client, (("SET", f"key:{number:012}", f"v{number:0{value_bytes - 1}}", *options) for number in range(keys)))
        if client.call("DBSIZE") != keys:
            sys.exit("keys are missing")
        settle(server)
        rss = (server.rss_bytes() - rss_before) / keys
        used = client.info("used_memory")
        return rss, None if used is None else (int(used) - int(used_before)) / keys


def settle(server):
    """Waits until the process neither grows nor shrinks: rehashing and freeing go on after the last command."""
    last, alike = server.rss_bytes(), 0
    for _ in range(SETTLE_LOOKS_MAX):
        time.sleep(0.05)
        now = server.rss_bytes()
        alike = alike + 1 if now == last else 0
        last = now
        if alike == SETTLE_LOOKS_ALIKE:
            return


if __name__ == "__main__":
    main()
