#!/usr/bin/env python3
"""Time to save and to load an RDB file of a million keys, ours beside the real servers.

SAVE is timed from the client; loading from the start of the process until it answers PING, less the same for an
empty data set. 16-byte keys and 64-byte values.

    benches/rdb.py
    benches/rdb.py --only redis,valkey --keys 200000
"""

import os
import shutil
import sys
import tempfile
import time

from common import Client, Server, arguments, fill, median, servers, table

VALUE_BYTES = 64


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    args = parser.parse_args()
    chosen = servers(args)
    results = {name: [] for name, _ in chosen}
    for round_number in range(args.rounds):
        for at, (name, path) in enumerate(chosen):
            sample = measure(path, args.port + at, args.keys)
            results[name].append(sample)
            print(f"round {round_number + 1} of {args.rounds}, {name}: save {sample[0]:.3f} s, load {sample[1]:.3f} s",
                  file=sys.stderr)
    rows = []
    for name, samples in results.items():
        save, load, size = (median(column) for column in zip(*samples))
        rows.append([name, f"{save:.3f}", f"{load:.3f}", f"{size / 1e6:.1f}"])
    table(["server", "save s", "load s", "file MB"], rows)


def measure(path, port, keys):
    """Seconds to save, seconds to load, bytes of the file."""
    folder = tempfile.mkdtemp(prefix="slotmesh-bench-")
    try:
        empty = start_seconds(path, port, folder, 0)
        with Server(path, port, keep=folder), Client(port) as client:
            # Random-looking text, so that compression has nothing to find, as with real values.
            fill(client, (("SET", f"key:{number:012}", text(number)) for number in range(keys)))
            start = time.monotonic()
            client.call("SAVE")
            save = time.monotonic() - start
        size = os.path.getsize(os.path.join(folder, "dump.rdb"))
        load = start_seconds(path, port, folder, keys) - empty
        return save, load, size
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_seconds(path, port, folder, keys):
    """Seconds from the start of the process until it answers, with the data of the folder."""
    start = time.monotonic()
    with Server(path, port, keep=folder), Client(port) as client:
        seconds = time.monotonic() - start
        if client.call("DBSIZE") != keys:
            sys.exit("the loaded data are not those saved")
        return seconds


def text(number):
    """64 characters that differ from key to key."""
    words = []
    state = number * 2654435761 + 1
    for _ in range(VALUE_BYTES // 16):
        # Multiplier and increment of Knuth's MMIX generator.
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        words.append(f"{state:016x}")
    return "".join(words)


if __name__ == "__main__":
    main()
