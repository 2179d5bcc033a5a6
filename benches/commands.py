#!/usr/bin/env python3
"""CPU time per operation of a command of each type under redis-benchmark, ours beside the real servers.

As throughput.py does it, which has the plain GET and SET: every server in turn in each round, medians of the rounds, CPU
time of the server process. A million keys (or members, or fields), 64 B values, pipeline 16. The goal is the most that ours
may take of what redis-server 7.0 takes.

    benches/commands.py
    benches/commands.py --commands lpush,lrange --keys 100000 --scale 0.2
"""

import shutil
import sys

from common import Client, Server, arguments, cores, fill, median, servers, table
from throughput import VALUE, benchmark

PIPELINE = 16
OPERATIONS = 3_000_000
LIST_ELEMENTS = 100

RANDOM = "__rand_int__"
# Name of a row: the command, what is there before, operations compared with the others', the goal.
CASES = {
    "incr": (("INCR", f"counter:{RANDOM}"), None, 1, 0.6),
    "mset": (("MSET", *(f"key:{RANDOM}", VALUE) * 10), "strings", 0.2, 0.35),
    "lpush": (("LPUSH", f"list:{RANDOM}", VALUE), None, 1, 0.8),
    "rpush": (("RPUSH", f"list:{RANDOM}", VALUE), None, 1, 0.8),
    "lpop": (("LPOP", f"list:{RANDOM}"), None, 1, 0.8),
    "lrange": (("LRANGE", "hundred", "0", str(LIST_ELEMENTS - 1)), "hundred", 0.1, 0.4),
    "hset": (("HSET", "hash", f"field:{RANDOM}", VALUE), "hash", 1, 0.65),
    "hget": (("HGET", "hash", f"field:{RANDOM}"), "hash", 1, 0.65),
    "sadd": (("SADD", "set", f"member:{RANDOM}"), None, 1, 0.7),
    "sismember": (("SISMEMBER", "set", f"member:{RANDOM}"), None, 1, 0.7),
    "zadd": (("ZADD", "zset", RANDOM, f"member:{RANDOM}"), "zset", 1, 0.6),
    "zrank": (("ZRANK", "zset", f"member:{RANDOM}"), "zset", 1, 0.6),
    "zrange": (("ZRANGE", "zset", "0", "9", "WITHSCORES"), "zset", 0.5, None),
    "xadd": (("XADD", "stream", "*", "field", VALUE), None, 1, 0.8),
    "xrange": (("XRANGE", "long", RANDOM, "+", "COUNT", "1"), "stream", 0.3, None),
}


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--commands", default=",".join(CASES), help="rows to measure, separated by commas")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--keys", type=int, default=1_000_000, help="size of the key space, and of large values")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of operations")
    args = parser.parse_args()
    if shutil.which("redis-benchmark") is None:
        sys.exit("redis-benchmark is needed")
    chosen = servers(args)
    results = {}
    for round_number in range(args.rounds):
        print(f"round {round_number + 1} of {args.rounds}", file=sys.stderr)
        for at, (name, path) in enumerate(chosen):
            measure(name, path, args.port + at, args, results)
    report([name for name, _ in chosen], args.commands.split(","), results)


def measure(name, path, port, args, results):
    """One server, all commands."""
    server_core, client_cores = cores()
    with Server(path, port, core=server_core) as server:
        for command in args.commands.split(","):
            words, before, share, _ = CASES[command]
            with Client(port) as client:
                fill(client, preparation(before, args.keys))
            operations = max(1, int(OPERATIONS * share * args.scale))
            start = server.cpu_seconds()
            rate = benchmark(port, words, PIPELINE, operations, args, client_cores)
            cpu = (server.cpu_seconds() - start) / operations
            results.setdefault((name, command), []).append((cpu, rate))
            print(f"  {name:7} {command}: {cpu * 1e9:7.0f} ns CPU, {rate:9.0f} /s", file=sys.stderr)


def preparation(what, keys):
    """The commands that make what a row needs, every element once, in no order of its own."""
    # A step without a factor in common with the number of keys visits all of them.
    scattered = (number * 7919 % keys for number in range(keys))
    match what:
        case "hundred":
            return iter([("DEL", "hundred"), ("RPUSH", "hundred", *[VALUE] * LIST_ELEMENTS)])
        case "hash":
            return (("HSET", "hash", f"field:{number:012}", VALUE) for number in scattered)
        case "zset":
            return (("ZADD", "zset", str(number), f"member:{number:012}") for number in scattered)
        case "strings":
            return (("SET", f"key:{number:012}", VALUE) for number in scattered)
        case "stream":
            return (("XADD", "long", f"{number + 1}-0", "field", VALUE) for number in range(keys))
        case _:
            return iter(())


def report(names, commands, results):
    """Medians, and the ratios to redis (or to the first server when redis was left out) beside the goals."""
    base = "redis" if "redis" in names else names[0]
    rows = []
    for command in commands:
        cpus = {name: median(cpu for cpu, _ in results[name, command]) for name in names}
        rates = {name: median(rate for _, rate in results[name, command]) for name in names}
        goal = CASES[command][3]
        for name in names:
            ratio = f"{cpus[name] / cpus[base]:.2f}" if cpus[base] else "-"
            shown = f"{goal:.2f}" if goal is not None and name == "ours" else ""
            rows.append([command.upper(), name, f"{cpus[name] * 1e9:.0f}", ratio, shown, f"{rates[name]:.0f}"])
    table([f"pipeline {PIPELINE}", "server", "CPU ns/op", f"to {base}", "goal", "op/s"], rows)


if __name__ == "__main__":
    main()
