#!/usr/bin/env python3
"""CPU time per operation and throughput of GET, SET, HGET and HSET under redis-benchmark, ours beside the real servers.

Each round runs every server in turn, so that a drift of the machine meets all alike; the medians of the rounds are
compared. Server and client are pinned to different cores. CPU time is that of the server process (utime + stime
of /proc/PID/stat): unlike throughput it does not depend on how fast the client is.

    benches/throughput.py                          # ours, redis and valkey, as far as they are here
    benches/throughput.py --only redis,valkey      # the real ones only
    benches/throughput.py --pipelines 16 --rounds 5
"""

import csv
import io
import shutil
import subprocess
import sys

from common import Client, Server, arguments, cores, fill, median, pinned, servers, table

# Operations of one run by pipeline: some 5 to 10 s each at the rates seen on two cores of a cloud machine.
OPERATIONS = {1: 700_000, 16: 5_000_000, 64: 8_000_000}
VALUE_BYTES = 64
VALUE = "x" * VALUE_BYTES
KEY, HASH = "key:__rand_int__", "hash:__rand_int__"
COMMANDS = {
    "get": ("GET", KEY),
    "set": ("SET", KEY, VALUE),
    "hget": ("HGET", HASH, "field"),
    "hset": ("HSET", HASH, "field", VALUE),
}


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--pipelines", default="1,16,64", help="commands sent at once by each client")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--keys", type=int, default=1_000_000, help="size of the key space")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of operations")
    args = parser.parse_args()
    if shutil.which("redis-benchmark") is None:
        sys.exit("redis-benchmark is needed")
    pipelines = [int(pipeline) for pipeline in args.pipelines.split(",")]
    chosen = servers(args)
    results = {}
    for round_number in range(args.rounds):
        print(f"round {round_number + 1} of {args.rounds}", file=sys.stderr)
        for at, (name, path) in enumerate(chosen):
            measure(name, path, args.port + at, pipelines, args, results)
    report([name for name, _ in chosen], pipelines, results)


def measure(name, path, port, pipelines, args, results):
    """One server, all pipelines and all commands."""
    server_core, client_cores = cores()
    with Server(path, port, core=server_core) as server:
        with Client(port) as client:
            fill(client, (("SET", f"key:{number:012}", VALUE) for number in range(args.keys)))
            fill(client, (("HSET", f"hash:{number:012}", "field", VALUE) for number in range(args.keys)))
        for pipeline in pipelines:
            operations = max(1, int(OPERATIONS.get(pipeline, 2_000_000) * args.scale))
            for command in COMMANDS:
                before = server.cpu_seconds()
                rate = benchmark(port, COMMANDS[command], pipeline, operations, args, client_cores)
                cpu = (server.cpu_seconds() - before) / operations
                results.setdefault((name, pipeline, command), []).append((cpu, rate))
                print(f"  {name:7} pipeline {pipeline:2} {command}: {cpu * 1e9:7.0f} ns CPU, {rate:9.0f} /s", file=sys.stderr)


def benchmark(port, words, pipeline, operations, args, client_cores):
    """Runs redis-benchmark; gives operations per second."""
    run = subprocess.run(
        [*pinned(client_cores), "redis-benchmark", "-p", str(port), "-n", str(operations), "-P", str(pipeline),
         "-c", str(args.clients), "-r", str(args.keys), "--csv", *words],
        check=True, capture_output=True, text=True)
    rows = [row for row in csv.reader(io.StringIO(run.stdout)) if row and row[0].split()[0] == words[0]]
    if not rows:
        sys.exit(f"redis-benchmark printed no result:\n{run.stdout}{run.stderr}")
    return float(rows[-1][1])


def report(names, pipelines, results):
    """Medians, and ratios to redis (or to the first server when redis was left out)."""
    base = "redis" if "redis" in names else names[0]
    rows = []
    for pipeline in pipelines:
        for command in COMMANDS:
            base_cpu, base_rate = medians(results[base, pipeline, command])
            for name in names:
                cpu, rate = medians(results[name, pipeline, command])
                cpu_ratio = f"{cpu / base_cpu:.2f}" if base_cpu else "-"
                rows.append([f"{command.upper()} pipeline {pipeline}", name, f"{cpu * 1e9:.0f}", cpu_ratio,
                             f"{rate:.0f}", f"{rate / base_rate:.2f}"])
    table(["", "server", "CPU ns/op", f"to {base}", "op/s", f"to {base}"], rows)


def medians(samples):
    """The median of each column."""
    return tuple(median(column) for column in zip(*samples))


if __name__ == "__main__":
    main()
