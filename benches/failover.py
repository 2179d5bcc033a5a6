#!/usr/bin/env python3
"""Time without writes after kill -9 of a primary: a cluster of three primaries and three replicas, ours and real ones.

Each round forms a new cluster, kills the primary of one key with SIGKILL and writes to that key's slot, wherever the
cluster says it lives, until a write succeeds. Formed by CLUSTER commands, so that no other program is needed.

    benches/failover.py
    benches/failover.py --only redis --rounds 3 --node-timeout 1000
"""

import contextlib
import sys
import time

from common import Client, ReplyError, Server, arguments, median, servers, table

PRIMARIES, NODES = 3, 6
SLOTS = 16384
FORM_SECONDS_MAX = 60
FAILOVER_SECONDS_MAX = 60
# Time between two attempts to write: the resolution of the result.
RETRY_SECONDS = 0.005


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=10)
    parser.add_argument("--node-timeout", type=int, default=1000, help="milliseconds")
    args = parser.parse_args()
    chosen = servers(args)
    times = {name: [] for name, _ in chosen}
    for round_number in range(args.rounds):
        for name, path in chosen:
            seconds = one_round(path, args.port, args.node_timeout)
            times[name].append(seconds)
            print(f"round {round_number + 1} of {args.rounds}, {name}: {seconds:.3f} s", file=sys.stderr)
    rows = [[name, f"{median(samples):.3f}", f"{min(samples):.3f}", f"{max(samples):.3f}"]
            for name, samples in times.items()]
    table(["server", "median s", "min s", "max s"], rows)


def one_round(path, first_port, node_timeout):
    """Seconds from the kill until a write succeeds."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout), "--appendonly", "no")
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(Server(path, first_port + at, *options)) for at in range(NODES)]
        form(nodes)
        key = "failover"
        victim = owner(nodes, key)
        survivors = [node for node in nodes if node is not victim]
        if not write(victim.port, key):
            sys.exit("the new cluster does not take a write")
        victim.kill()
        killed = time.monotonic()
        while time.monotonic() - killed < FAILOVER_SECONDS_MAX:
            # Where the slot lives is asked anew each time, as a client does after a failed connection.
            for port in {holder(node, key) for node in survivors} - {None, victim.port}:
                if write(port, key):
                    return time.monotonic() - killed
            time.sleep(RETRY_SECONDS)
        sys.exit(f"no write succeeded within {FAILOVER_SECONDS_MAX} s:\n{survivors[0].log()}")


def form(nodes):
    """Makes a cluster of the nodes: the first three own the slots, the others replicate them."""
    bounds = [at * SLOTS // PRIMARIES for at in range(PRIMARIES + 1)]
    ids = []
    for at, node in enumerate(nodes):
        with Client(node.port) as client:
            client.call("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
            if at < PRIMARIES:
                client.call("CLUSTER", "ADDSLOTSRANGE", bounds[at], bounds[at + 1] - 1)
                ids.append(client.call("CLUSTER", "MYID"))
    for node in nodes[1:]:
        with Client(nodes[0].port) as client:
            client.call("CLUSTER", "MEET", "127.0.0.1", node.port)
    wait("all nodes to know each other", nodes, lambda client: len(known(client)) == NODES)
    for at, node in enumerate(nodes[PRIMARIES:]):
        wait("the node to know its primary", [node], lambda client: any(ids[at] in line for line in known(client)))
        with Client(node.port) as client:
            client.call("CLUSTER", "REPLICATE", ids[at])
    wait("cluster_state:ok", nodes, lambda client: "cluster_state:ok" in client.call("CLUSTER", "INFO"))
    wait("replicas to be in step", nodes[PRIMARIES:], lambda client: client.info("master_link_status") == "up")
    # Every node must have heard of all three replicas, or the election would measure the forming.
    wait("roles to be known", nodes, lambda client: sum("slave" in line for line in known(client)) == NODES - PRIMARIES)


def known(client):
    """The lines of CLUSTER NODES whose node has been met."""
    return [line for line in client.call("CLUSTER", "NODES").splitlines() if "handshake" not in line]


def wait(what, nodes, holds):
    """Waits until something holds on each node."""
    deadline = time.monotonic() + FORM_SECONDS_MAX
    for node in nodes:
        while True:
            with Client(node.port) as client:
                if holds(client):
                    break
            if time.monotonic() > deadline:
                sys.exit(f"waited {FORM_SECONDS_MAX} s for {what}:\n{node.log()}")
            time.sleep(0.02)


def owner(nodes, key):
    """The node that serves the key's slot."""
    port = holder(nodes[0], key)
    return next(node for node in nodes if node.port == port)


def holder(node, key):
    """The port that the node names for the key's slot; None when it cannot be asked or knows none."""
    try:
        with Client(node.port, timeout=1) as client:
            slot = client.call("CLUSTER", "KEYSLOT", key)
            for first, last, primary, *_ in client.call("CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    return primary[1]
    except (OSError, ReplyError):
        pass
    return None


def write(port, key):
    """Whether a write succeeds there."""
    try:
        with Client(port, timeout=1) as client:
            return client.call("SET", key, "value") == "OK"
    except (OSError, ReplyError):
        return False


if __name__ == "__main__":
    main()
