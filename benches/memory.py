#!/usr/bin/env python3
"""Memory per key: growth of the process and of used_memory over a million keys, ours beside the real servers.

Keys have 16 bytes; the values 8 or 64, or 64 with a time to live. Hashes have five fields with 16 B values each; lists,
sets and sorted sets ten elements of 16 bytes. Or one hash has all the fields, whose names have 16 bytes and their values
64, or one sorted set all the members, of 16 bytes. Every server gets the same bytes over the network, in the same order,
into a fresh process.

    benches/memory.py
    benches/memory.py --only redis,valkey --keys 200000
"""

import sys
import time

from common import Client, Server, arguments, fill, servers, table

CASES = [
    ("8 B value", lambda keys: strings(keys, 8)),
    ("64 B value", lambda keys: strings(keys, 64)),
    ("64 B value with TTL", lambda keys: strings(keys, 64, "EX", TTL_SECONDS)),
    ("hash of 5 fields", lambda keys: hashes(keys)),
    ("list of 10", lambda keys: tens(keys, "RPUSH")),
    ("set of 10", lambda keys: tens(keys, "SADD")),
    ("sorted set of 10", lambda keys: ranked(keys)),
    ("field of one hash", lambda keys: fields(keys)),
    ("member of one sorted set", lambda keys: members(keys)),
]
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
    for title, commands in CASES:
        for at, (name, path) in enumerate(chosen):
            print(f"{title}, {name}", file=sys.stderr)
            rss, used = measure(path, args.port + at, args.keys, commands)
            rows.append([title, name, f"{rss:.1f}", "-" if used is None else f"{used:.1f}"])
    table(["16 B key", "server", "RSS B/key", "used_memory B/key"], rows)


def value(number, value_bytes):
    """No two values alike, and none a number: nothing to share and nothing to pack."""
    return f"v{number:0{value_bytes - 1}}"


def strings(keys, value_bytes, *options):
    """One string for each key."""
    return (("SET", f"key:{number:012}", value(number, value_bytes), *options) for number in range(keys))


def hashes(keys):
    """A hash of five fields for each key."""
    for number in range(keys):
        pairs = (word for field in range(5) for word in (f"field{field}", value(5 * number + field, 16)))
        yield ("HSET", f"key:{number:012}", *pairs)


def fields(keys):
    """A hash with as many fields as there would be keys."""
    return (("HSET", "hash", f"fld:{number:012}", value(number, 64)) for number in range(keys))


def tens(keys, command):
    """A list or set of ten elements of 16 bytes for each key."""
    for number in range(keys):
        yield (command, f"key:{number:012}", *(value(10 * number + element, 16) for element in range(10)))


def ranked(keys):
    """A sorted set of ten members of 16 bytes for each key."""
    for number in range(keys):
        pairs = (word for rank in range(10) for word in (str(rank), value(10 * number + rank, 16)))
        yield ("ZADD", f"key:{number:012}", *pairs)


def members(keys):
    """A sorted set with as many members as there would be keys."""
    return (("ZADD", "sorted", str(number), value(number, 16)) for number in range(keys))


def measure(path, port, keys, commands):
    """Bytes per key or field, by the system's and by the server's own account."""
    with Server(path, port) as server, Client(port) as client:
        rss_before, used_before = server.rss_bytes(), client.info("used_memory")
        fill(client, commands(keys))
        if max(client.call("DBSIZE"), client.call("HLEN", "hash"), client.call("ZCARD", "sorted")) != keys:
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
