#!/usr/bin/env python3
"""Longest wait of a pinging client while five million keys are inserted, ours beside the real servers.

Twice: with keys spread over all slots, and with one hash tag in all of them, so that they share one slot of a cluster
(`--cluster` makes the server a cluster node that owns all slots). A growing table must not stop the server. The
pinging client is a process of its own; what it measures contains the scheduling of this machine, which the rows
"idle" show. "less queueing" takes off the time that the server and the pinging client, ready to run, waited for a core
during that ping (/proc/PID/schedstat): what is left is the server's own doing, also on a busy machine.

    benches/pause.py
    benches/pause.py --only redis --keys 1000000
"""

import multiprocessing
import os
import sys
import time

from common import Client, Server, arguments, cores, fill, servers, table

# Commands sent at once while inserting: with large batches a ping would wait for their sake.
BATCH = 16
# Pause between two pings: leaves the core to others, and still meets any stop longer than this.
PING_SECONDS = 0.0002
IDLE_SECONDS = 3


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=5_000_000)
    parser.add_argument("--cluster", action="store_true", help="run the server as a cluster node with all slots")
    args = parser.parse_args()
    options = ("--cluster-enabled", "yes") if args.cluster else ()
    chosen = servers(args)
    rows = []
    for title, form in [("idle", None), ("spread keys", "key:{:012}"), ("one hash tag", "{{tag}}:{:011}")]:
        for at, (name, path) in enumerate(chosen):
            print(f"{title}, {name}", file=sys.stderr)
            samples, seconds = measure(path, args.port + at, args.keys, form, options)
            whole = sorted(sample for sample, _ in samples)
            own = max(sample - queued for sample, queued in samples)
            rows.append([title, name, f"{whole[-1] * 1e3:.2f}", f"{own * 1e3:.2f}",
                         f"{whole[int(len(whole) * 0.999)] * 1e3:.2f}", len(whole), f"{seconds:.1f}"])
    table(["", "server", "worst ms", "less queueing", "99.9 % ms", "pings", "s"], rows)


def measure(path, port, keys, form, options):
    """Each ping's time with the part spent queueing for a core, and the seconds it all took."""
    server_core, client_cores = cores()
    with Server(path, port, *options, core=server_core) as server, Client(port) as client:
        if options:
            client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while "cluster_state:ok" not in client.call("CLUSTER", "INFO"):
                time.sleep(0.02)

        def insert():
            if form is None:
                time.sleep(IDLE_SECONDS)
            else:
                fill(client, (("SET", form.format(number), "v") for number in range(keys)), batch=BATCH)

        return pinged(server, insert, (server_core, client_cores))


def pinged(server, work, placed, after_seconds=0):
    """Pings a server from another process while `work` runs and for some time after it: each ping's time with the part
    spent queueing, and the seconds of the work."""
    server_core, client_cores = placed
    os.sched_setaffinity(0, client_cores)
    here, there = multiprocessing.Pipe()
    pinger = multiprocessing.Process(target=ping, args=(server.port, server.process.pid, there))
    pinger.start()
    here.recv()
    start = time.monotonic()
    work()
    seconds = time.monotonic() - start
    time.sleep(after_seconds)
    here.send("stop")
    samples = here.recv()
    pinger.join()
    os.sched_setaffinity(0, server_core + client_cores)
    return samples, seconds


def ping(port, server_pid, pipe):
    """Pings until told to stop; sends back the time each took and the part of it spent queueing."""
    samples = []
    queues = Queueing([server_pid, os.getpid()])
    with Client(port) as client:
        client.call("PING")
        pipe.send("ready")
        while not pipe.poll():
            queued = queues.seconds()
            start = time.perf_counter()
            client.call("PING")
            seconds = time.perf_counter() - start
            samples.append((seconds, queues.seconds() - queued))
            time.sleep(PING_SECONDS)
    pipe.recv()
    pipe.send(samples)


class Queueing:
    """How long threads have waited for a core although ready to run; 0 where the kernel does not count it."""

    def __init__(self, pids):
        self.files = []
        for pid in pids:
            for thread in os.listdir(f"/proc/{pid}/task"):
                path = f"/proc/{pid}/task/{thread}/schedstat"
                if os.path.exists(path):
                    self.files.append(os.open(path, os.O_RDONLY))

    def seconds(self):
        """The sum over all threads so far."""
        return sum(int(os.pread(file, 100, 0).split()[1]) for file in self.files) / 1e9


if __name__ == "__main__":
    main()
