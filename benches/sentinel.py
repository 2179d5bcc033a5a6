#!/usr/bin/env python3
"""Time without writes after kill -9 of a primary that three sentinels watch: our sentinels and real ones.

The servers are the same in every round (redis-server, a primary with two replicas), only the sentinels change. Each
round starts everything anew, kills the primary and writes to wherever a sentinel says the primary is, until a write
succeeds. The group's own time is what goes beyond down-after-milliseconds.

    benches/sentinel.py
    benches/sentinel.py --only ours,redis --rounds 3 --down-after 1000
"""

import contextlib
import os
import sys
import tempfile
import time

from common import Client, ReplyError, Server, arguments, median, servers, table

SERVERS, SENTINELS, QUORUM = 3, 3, 2
FORM_SECONDS_MAX = 60
FAILOVER_SECONDS_MAX = 60
# Time between two attempts to write: the resolution of the result.
RETRY_SECONDS = 0.005


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=5, port=21400)
    parser.add_argument("--down-after", default="1000,2000,5000", help="milliseconds, separated by commas")
    args = parser.parse_args()
    chosen = servers(args)
    watched = args.redis or chosen[0][1]
    rows = []
    for down_after in map(int, args.down_after.split(",")):
        times = {name: [] for name, _ in chosen}
        for round_number in range(args.rounds):
            for name, path in chosen:
                seconds = one_round(watched, path, args.port, down_after)
                times[name].append(seconds)
                print(f"down-after {down_after}, round {round_number + 1}, {name}: {seconds:.3f} s", file=sys.stderr)
        for name, samples in times.items():
            rows.append([f"{down_after} ms", name, f"{median(samples):.3f}", f"{min(samples):.3f}",
                         f"{max(samples):.3f}"])
    table(["down-after", "server", "median s", "min s", "max s"], rows)


def one_round(watched, sentinel, first_port, down_after):
    """Seconds from the kill until a write succeeds."""
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(Server(watched, first_port, "--appendonly", "no"))]
        for at in range(1, SERVERS):
            options = ("--appendonly", "no", "--replicaof", f"127.0.0.1 {first_port}")
            nodes.append(stack.enter_context(Server(watched, first_port + at, *options)))
        sentinels = []
        for at in range(SENTINELS):
            port = first_port + SERVERS + at
            sentinels.append(stack.enter_context(Sentinel(sentinel, port, first_port, down_after)))
        wait("sentinels that know everybody", sentinels, knows_everybody)
        if not write(first_port):
            sys.exit("the primary does not take a write")
        nodes[0].kill()
        killed = time.monotonic()
        while time.monotonic() - killed < FAILOVER_SECONDS_MAX:
            for port in {named(one) for one in sentinels} - {None, first_port}:
                if write(port):
                    return time.monotonic() - killed
            time.sleep(RETRY_SECONDS)
        sys.exit(f"no write succeeded within {FAILOVER_SECONDS_MAX} s:\n{sentinels[0].log()}")


class Sentinel(Server):
    """A sentinel process; its file is in its folder."""

    def __init__(self, path, port, primary, down_after):
        keep = tempfile.mkdtemp(prefix="slotmesh-bench-")
        file = os.path.join(keep, "sentinel.conf")
        with open(file, "w", encoding="ascii") as config:
            config.write(f"dir {keep}\nsentinel monitor mymaster 127.0.0.1 {primary} {QUORUM}\n"
                         f"sentinel down-after-milliseconds mymaster {down_after}\n"
                         "sentinel failover-timeout mymaster 60000\n")
        self.file = file
        super().__init__(path, port, "--sentinel", keep=keep)
        self.removes = True

    def command(self):
        """A sentinel has its file first, and nothing to save."""
        return [self.path, self.file, "--port", str(self.port), "--bind", "127.0.0.1", *self.options]


def knows_everybody(client):
    """Whether a sentinel has found both replicas and both others."""
    return f"slaves={SERVERS - 1},sentinels={SENTINELS}" in client.call("INFO", "sentinel")


def wait(what, nodes, holds):
    """Waits until something holds on each node."""
    deadline = time.monotonic() + FORM_SECONDS_MAX
    for node in nodes:
        with Client(node.port) as client:
            while not holds(client):
                if time.monotonic() > deadline:
                    sys.exit(f"waited {FORM_SECONDS_MAX} s for {what}:\n{node.log()}")
                time.sleep(0.02)


def named(sentinel):
    """The port of the primary that a sentinel names; None when it cannot be asked."""
    try:
        with Client(sentinel.port, timeout=1) as client:
            return int(client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[1])
    except (OSError, ReplyError):
        return None


def write(port):
    """Whether a write succeeds there."""
    try:
        with Client(port, timeout=1) as client:
            return client.call("SET", "k", "value") == "OK"
    except (OSError, ReplyError):
        return False


if __name__ == "__main__":
    main()
