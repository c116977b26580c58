#!/usr/bin/python3
"""MEMORY USAGE tells the truth: the sum over all keys is, within 5 %, what the allocator handed out for them.

For each shape of keys and values a server of its own gets many keys; what `used_memory`, the allocator's own figure, grows by
is held against the sum of MEMORY USAGE over all of them. Two batches of keys come and go first, so that the buffers of
connections are there already; not more, for threads keep some of the memory of keys that go. The memory engine, so that neither
log nor store add what no key owns.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.resp import decode, encode  # noqa: E402

DEVIATION_MAX = 0.05
BATCH = 500


def name(i):
    return b"key:%012d" % i


def mixed(i):
    """Sizes from one byte to 2 KB, each as often as any other of its power of two."""
    power = i % 11
    return ["SET", name(i), b"m" * ((1 << power) + i * 7919 % (1 << power))]


def grown(i):
    """Values that were longer once, and such that were shorter, every third with an expiry that came later."""
    yield ["SET", name(i), b"g" * (300 if i % 2 else 20)]
    yield ["SETRANGE", name(i), 40, b"x" * 30] if i % 2 == 0 else ["SET", name(i), b"g" * 30]
    if i % 3 == 0:
        yield ["PEXPIREAT", name(i), 4_000_000_000_000 + i]


# name: (how many keys, the command or commands that make key i)
SHAPES = {
    "1 byte": (200_000, lambda i: ["SET", name(i), b"x"]),
    "32 bytes": (200_000, lambda i: ["SET", name(i), b"x" * 32]),
    "32 bytes, expiry": (200_000, lambda i: ["SET", name(i), b"x" * 32, "PXAT", 4_000_000_000_000 + i]),
    "100 bytes": (200_000, lambda i: ["SET", name(i), b"x" * 100]),
    "integers": (200_000, lambda i: ["SET", name(i), i * 1_000_003]),
    "mixed sizes": (100_000, mixed),
    "edited": (100_000, grown),
    "5000 bytes": (20_000, lambda i: ["SET", name(i), b"x" * 5000]),
    "10 KB": (10_000, lambda i: ["SET", name(i), b"x" * 10_240]),
    "1 MB": (100, lambda i: ["SET", name(i), b"x" * 1_000_000]),
    "long names": (20_000, lambda i: ["SET", name(i) + b"n" * 5000, b"x"]),
    "fewer keys": (20_000, lambda i: ["SET", name(i), b"x" * 32]),
    "few keys": (5_000, lambda i: ["SET", name(i), b"x" * 32]),
}


def commands_of(make, i):
    commands = make(i)
    return [commands] if isinstance(commands, list) else list(commands)


def load(connection, make, count):
    """Returns the names of the keys."""
    names = []
    for first in range(0, count, BATCH):
        commands = [command for i in range(first, min(first + BATCH, count)) for command in commands_of(make, i)]
        names += sorted({command[1] for command in commands})
        connection.send_raw(b"".join(encode(command) for command in commands))
        for _ in commands:
            if connection.receive().startswith(b"-"):
                raise SystemExit("a command failed")
    return names


def sum_of_usage(connection, names):
    total = 0
    for first in range(0, len(names), BATCH):
        part = names[first:first + BATCH]
        connection.send_raw(b"".join(encode(["MEMORY", "USAGE", key]) for key in part))
        total += sum(decode(connection.receive()) for _ in part)
    return total


def check_shape(report, arguments, shape):
    count, make = SHAPES[shape]
    server = servers.diskdb(arguments.binary, None, *([] if arguments.binary == "redis" else ["--engine", "memory"]))
    server.start()
    with server.connect(timeout=120) as connection:
        sum_of_usage(connection, load(connection, make, min(count, 2 * BATCH)))
        connection.call("FLUSHALL")
        watch.wait_until_idle(server)
        before = watch.info(connection)["used_memory"]
        names = load(connection, make, count)
        watch.wait_until_idle(server)
        grown_by = watch.info(connection)["used_memory"] - before
        usage = sum_of_usage(connection, names)
    server.kill()
    deviation = usage / grown_by - 1
    report.check(abs(deviation) <= DEVIATION_MAX, f"{shape}: {usage / count:.1f} bytes a key, {deviation:+.1%} off",
                 f"the sum of MEMORY USAGE is {usage}, the allocator's figure grew by {grown_by}, of {count} keys")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    servers.add_binary_argument(parser)
    parser.add_argument("--only", action="append", choices=SHAPES, help="this shape (may be repeated)")
    parser.add_argument("--deadline", type=int, default=400, help="seconds until the test gives up")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    for shape in arguments.only or SHAPES:
        check_shape(report, arguments, shape)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
