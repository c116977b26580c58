#!/usr/bin/python3
"""Clients that misbehave, each kind beside well-behaved ones: memory stays bounded, the others are answered as before, and
whoever is at fault is told so.

The well-behaved clients are a load at a fixed rate whose every value is checked (bench/open_loop.cc). Its latency is printed,
beside that of the same load alone; it fails only if it is that of a server that stops for one client, since other work of the
machine shows in it too.

    tests/hostile/run.py            # 20,000 idle connections, 512 MB values
    tests/hostile/run.py --short    # some seconds
"""

import argparse
import contextlib
import random
import resource
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib import servers, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.resp import Connection, encode, reply_end  # noqa: E402
from lib.watch import megabytes  # noqa: E402

KB, MB = 1 << 10, 1 << 20
OTHERS_P99_MS_MAX = 1000
OTHERS_P99_MS_MAX_DURING_SYNC = 5000  # half a gigabyte to sync: Redis's others wait for it, and so do ours
DESCRIPTORS_BESIDE_CLIENTS = 200
# What the protocol forbids, each with the reply that Redis gives before it closes the connection.
VIOLATIONS = (
    (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*1\r\n#3\r\n", b"-ERR Protocol error: expected '$', got '#'\r\n"),
    (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$9999999999999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*" + b"1" * 70_000, b"-ERR Protocol error: too big mbulk count string\r\n"),
    (b"*1\r\n$" + b"1" * 70_000, b"-ERR Protocol error: too big bulk count string\r\n"),
    (b"a" * 70_000, b"-ERR Protocol error: too big inline request\r\n"),
    (b'GET "unbalanced\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
)


class Neighbours:
    """Well-behaved clients, from `with` to its end. They must get every reply, right and in time."""

    def __init__(self, server, report, what, seconds, p99_ms_max):
        self.server, self.report, self.what = server, report, what
        self.seconds, self.p99_ms_max = seconds, p99_ms_max

    def __enter__(self):
        self.begin = time.monotonic()
        self.memory = watch.Memory(self.server, interval=0.02, folder_every=1 << 30)
        self.run = watch.OpenLoop(self.server.port, "--rate", 2000, "--seconds", self.seconds, "--connections", 10,
                                  "--keys", 1000, "--verify", "--wait", 60)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.run.process.kill()
            return
        figures = self.run.wait()
        self.memory.stop()
        self.report.check(figures["errors"] == 0 and figures["unanswered"] == 0,
                          f"{self.what}: all others were answered, {watch.show_latency(figures)}",
                          f"{figures['errors']} errors, {figures['unanswered']} unanswered: {figures['first_error']}")
        self.report.check(figures["p99_ms"] <= self.p99_ms_max, f"{self.what}: the server did not stop for it",
                          f"p99 of the others {figures['p99_ms']} ms, at most {self.p99_ms_max}")

    def remain(self):
        """Until about the end of the others' load."""
        time.sleep(max(0.0, self.begin + self.seconds - time.monotonic()))


class Case:
    """One kind of misbehaviour against a server of its own."""

    def __init__(self, arguments, report, what, *options):
        self.arguments, self.report, self.what = arguments, report, what
        self.server = servers.diskdb(arguments.binary, None, *options, *arguments.option)
        self.server.start()
        self.resident_before = resident_bytes(self.server)

    def neighbours(self, p99_ms_max=OTHERS_P99_MS_MAX):
        return Neighbours(self.server, self.report, self.what, self.arguments.seconds, p99_ms_max)

    def check_memory(self, neighbours, bound):
        grown = neighbours.memory.peak["VmRSS"] - self.resident_before
        self.report.check(grown <= bound, f"{self.what}: memory grew by {megabytes(grown)} at most",
                          f"more than {megabytes(bound)}")

    def end(self):
        self.report.check(self.server.is_alive(), f"{self.what}: the server lives")
        with self.server.connect() as connection:
            self.report.equal(connection.raw("PING"), b"+PONG\r\n", f"{self.what}: and answers")
        self.server.kill()


def resident_bytes(server):
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def open_many(stack, server, count):
    connections = []
    for _ in range(count):
        connections.append(stack.enter_context(server.connect(timeout=60)))
    return connections


def check_nobody(arguments, report):
    case = Case(arguments, report, "nobody misbehaving")
    with case.neighbours() as neighbours:
        neighbours.remain()
    case.end()


def check_idle(arguments, report):
    count = arguments.idle
    case = Case(arguments, report, f"{count} idle connections", "--maxclients", str(count + 50))
    with contextlib.ExitStack() as stack:
        idle = open_many(stack, case.server, count)
        with case.neighbours() as neighbours:
            for connection in idle:
                connection.send("PING")
            answers = sum(connection.receive() == b"+PONG\r\n" for connection in idle)
            neighbours.remain()
        report.equal(answers, count, f"{case.what}: each was answered once")
        case.check_memory(neighbours, 32 * MB + count * 4 * KB)
        surplus = open_many(stack, case.server, 100)
        refused = [connection.receive_until_closed() for connection in surplus[60:]]
        report.check(set(refused) == {b"-ERR max number of clients reached\r\n"},
                     f"{case.what}: who comes when maxclients are there is told so", str(set(refused)))
    case.end()


def check_half_sent(arguments, report):
    count = arguments.half_sent
    case = Case(arguments, report, f"{count} half-sent commands")
    begun = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n" + b"x" * 10_000
    with contextlib.ExitStack() as stack:
        with case.neighbours() as neighbours:
            for connection in open_many(stack, case.server, count):
                connection.send_raw(begun)
            neighbours.remain()
        # Announced are 100 MB each; what costs memory is what was sent.
        case.check_memory(neighbours, 32 * MB + count * 64 * KB)
    case.end()


def check_slow_senders(arguments, report):
    case = Case(arguments, report, f"{arguments.slow} senders of a byte at a time")
    with contextlib.ExitStack() as stack:
        with case.neighbours() as neighbours:
            slow = open_many(stack, case.server, arguments.slow)
            commands = [encode(["SET", f"slow:{i}", f"value {i}"]) + encode(["GET", f"slow:{i}"]) for i in range(len(slow))]
            for at in range(max(map(len, commands))):
                for connection, command in zip(slow, commands):
                    connection.send_raw(command[at:at + 1])
            right = sum(connection.receive() + connection.receive() == b"+OK\r\n$%d\r\nvalue %d\r\n" % (len(f"value {i}"), i)
                        for i, connection in enumerate(slow))
            neighbours.remain()
        report.equal(right, len(slow), f"{case.what}: each got its two replies")
        case.check_memory(neighbours, 32 * MB)
    case.end()


def check_never_reading(arguments, report):
    count, value = 20, b"v" * MB
    case = Case(arguments, report, f"{count} clients that never read")
    with contextlib.ExitStack() as stack:
        stack.enter_context(case.server.connect()).call("SET", "large", value)
        case.resident_before = resident_bytes(case.server)
        with case.neighbours() as neighbours:
            for connection in open_many(stack, case.server, count):
                connection.socket.settimeout(0.05)
                with contextlib.suppress(OSError):  # the server stops reading when its buffers are full
                    connection.send_raw(encode(["GET", "large"]) * 2000)  # 2 GB of replies
            neighbours.remain()
        case.check_memory(neighbours, 32 * MB + count * 4 * MB)
    case.end()


def check_long_pipeline(arguments, report):
    count = arguments.pipelined
    case = Case(arguments, report, f"a pipeline of {count} commands")
    with case.neighbours() as neighbours, case.server.connect(timeout=300) as connection:
        def send():
            part = b"".join(encode(["INCR", "counter"]) for _ in range(1000))
            for _ in range(count // 1000):
                connection.send_raw(part)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        expected = 0
        rest = b""
        while expected < count:  # the replies are looked at in bulk: a parser of Python would be what is measured
            rest += connection.socket.recv(MB)
            lines = rest.split(b"\r\n")
            rest = lines.pop()
            if lines and lines != [b":%d" % n for n in range(expected + 1, expected + 1 + len(lines))]:
                break
            expected += len(lines)
        sender.join()
        neighbours.remain()
    report.equal(expected, count, f"{case.what}: each was answered, in order")
    case.check_memory(neighbours, 64 * MB)
    case.end()


def check_large_values(arguments, report):
    size = arguments.large_mb * MB
    case = Case(arguments, report, f"a value of {arguments.large_mb} MB")
    block = random.Random(1).randbytes(MB)
    with case.neighbours(OTHERS_P99_MS_MAX_DURING_SYNC) as neighbours, case.server.connect(timeout=300) as connection:
        connection.send_raw(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n" % size)
        for _ in range(arguments.large_mb):
            connection.send_raw(block)
        connection.send_raw(b"\r\n")
        stored = connection.receive()
        connection.send("GET", "large")
        header = b"$%d\r\n" % size
        same = receive_exactly(connection, len(header)) == header
        for _ in range(arguments.large_mb):
            same = receive_exactly(connection, MB) == block and same
        same = receive_exactly(connection, 2) == b"\r\n" and same
        neighbours.remain()
    report.equal(stored, b"+OK\r\n", f"{case.what}: it is stored")
    report.check(same, f"{case.what}: and comes back whole")
    case.check_memory(neighbours, 128 * MB + 4 * size)  # received, stored, in the log's frame, and what is sent
    with case.server.connect(timeout=300) as connection:
        connection.call("DEL", "large")
        end = time.monotonic() + 20
        while resident_bytes(case.server) > case.resident_before + size // 2 + 64 * MB and time.monotonic() < end:
            time.sleep(0.1)
        grown = resident_bytes(case.server) - case.resident_before
        report.check(grown <= size // 2 + 64 * MB, f"{case.what}: after DEL {megabytes(grown)} are left", "")
    case.end()


def receive_exactly(connection, count):
    while len(connection.buffer) - connection.position < count:
        connection._fill()
    data = bytes(connection.buffer[connection.position:connection.position + count])
    connection.position += count
    return data


def check_violations(arguments, report):
    case = Case(arguments, report, "garbage")
    generator = random.Random(arguments.seed)
    with case.neighbours() as neighbours:
        for request, expected in VIOLATIONS:
            report.equal(reply_to(case.server, request), expected, f"garbage: {request[:30]!r} is answered as Redis does")
        unclear = []
        for _ in range(arguments.garbage):
            request = generator.randbytes(generator.randrange(1, 3000)) + b"\r\n"
            reply = reply_to(case.server, request, half_closes=True)
            if not consists_of_errors(reply):
                unclear.append((request[:40], reply[:80]))
        neighbours.remain()
    report.equal(unclear, [], f"garbage: {arguments.garbage} random requests got errors and nothing else")
    case.check_memory(neighbours, 64 * MB)
    case.end()


def reply_to(server, request, half_closes=False):
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.send_raw(request)
            if half_closes:
                connection.socket.shutdown(socket.SHUT_WR)
        return connection.receive_until_closed()


def consists_of_errors(data):
    start = 0
    while start < len(data):
        if data[start:start + 1] != b"-":
            return False
        start = reply_end(data, start)
        if start < 0:
            return False
    return True


CHECKS = {
    "nobody": check_nobody,
    "idle": check_idle,
    "half-sent": check_half_sent,
    "slow": check_slow_senders,
    "never-reading": check_never_reading,
    "pipeline": check_long_pipeline,
    "large": check_large_values,
    "garbage": check_violations,
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--short", action="store_true", help="fewer and smaller, for a minute or less")
    parser.add_argument("--only", action="append", choices=CHECKS, help="this kind (may be repeated)")
    parser.add_argument("--seed", type=int, default=1, help="of the garbage")
    parser.add_argument("--option", action="append", default=[], help="passed on to the server")
    parser.add_argument("--verbose", action="store_true", help="name what passes too")
    parser.add_argument("--deadline", type=int, default=900, help="seconds until it gives up (default: %(default)s)")
    arguments = parser.parse_args()
    sizes = {"idle": (20_000, 1000), "half_sent": (2000, 200), "slow": (100, 20), "pipelined": (1_000_000, 100_000),
             "large_mb": (512, 64), "garbage": (2000, 200), "seconds": (8, 3)}
    for name, (full, short) in sizes.items():
        setattr(arguments, name, short if arguments.short else full)
    return arguments


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    wanted = arguments.idle + DESCRIPTORS_BESIDE_CLIENTS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # only root may pass the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        arguments.idle = min(arguments.idle, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - DESCRIPTORS_BESIDE_CLIENTS)
    report = Report(verbose=arguments.verbose)
    for name in arguments.only or CHECKS:
        CHECKS[name](arguments, report)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
