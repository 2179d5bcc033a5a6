#!/usr/bin/env python3
"""Longest wait of a pinging client while a value of ten million elements is deleted, ours beside the real servers.

DEL, and the same by FLUSHALL, of a list, a set, a hash and a sorted set. redis-server frees what DEL takes away at once,
unless it is told otherwise; the pings show for how long. How waits are measured is told in pause.py.

    benches/removal.py
    benches/removal.py --only ours --elements 1000000
"""

import sys

from common import Client, Server, arguments, cores, fill, servers, table
from pause import pinged

# Elements of one command, and of one batch of them.
CHUNK, BATCH = 500, 4
# For how long pings go on behind the removal: freeing goes on in slices.
AFTER_SECONDS = 3

KINDS = {
    "list": ("RPUSH", lambda number: (f"element:{number}",)),
    "set": ("SADD", lambda number: (f"member:{number}",)),
    "hash": ("HSET", lambda number: (f"field:{number}", "value")),
    "sorted set": ("ZADD", lambda number: (str(number), f"member:{number}")),
}


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=10_000_000)
    args = parser.parse_args()
    chosen = servers(args)
    rows = []
    for kind in KINDS:
        for removal in (("DEL", "large"), ("FLUSHALL",)):
            for at, (name, path) in enumerate(chosen):
                print(f"{removal[0]} of a {kind}, {name}", file=sys.stderr)
                samples, seconds = measure(path, args.port + at, kind, args.elements, removal)
                whole = max(sample for sample, _ in samples)
                own = max(sample - queued for sample, queued in samples)
                rows.append([f"{removal[0]} of a {kind}", name, f"{whole * 1e3:.2f}", f"{own * 1e3:.2f}", f"{seconds * 1e3:.1f}"])
    table([f"{args.elements} elements", "server", "worst ping ms", "less queueing", "reply after ms"], rows)


def measure(path, port, kind, elements, removal):
    """Each ping's time around the removal, and how long that took to be answered."""
    server_core, client_cores = cores()
    with Server(path, port, core=server_core) as server, Client(port) as client:
        command, words = KINDS[kind]
        chunks = range(0, elements, CHUNK)
        fill(client, ((command, "large", *(word for number in range(first, min(first + CHUNK, elements)) for word in words(number)))
                      for first in chunks), batch=BATCH)
        return pinged(server, lambda: client.call(*removal), (server_core, client_cores), AFTER_SECONDS)


if __name__ == "__main__":
    main()
