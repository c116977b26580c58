#!/usr/bin/python3
"""Memory of ten million small keys beside Redis: keys of 16 bytes with values of 32, without and with an expiry.

Resident memory is what the kernel says of the process, once freed pages are back with it. Bytes a key are the growth of
`used_memory`, by key, beyond key and value: records, tables, and what the store keeps in memory of them, which is stated by
itself as well. It grows from a server that has had a tenth of the keys and lost them again, so that buffers of connections and of
the log, whose size does not depend on the keys, are not counted as theirs (in the resident memory all is). Redis runs in memory
only, where it takes least.

    bench/memory_beside_redis.py            # 10 M keys
    bench/memory_beside_redis.py --short    # 1 M
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lib import load, servers, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.watch import megabytes  # noqa: E402

RATIO_MAX = 0.75           # of Redis's resident set
BYTES_MAX = 32             # a key, beyond key and value
BYTES_EXPIRING_MAX = 40
BYTES_SHORT_MORE = 1       # of fewer keys, what each of the thousand tables rounds up weighs more
KEY_BYTES, VALUE_BYTES = 16, 32
BATCH = 10_000
YEAR_MS = 365 * 24 * 3600 * 1000


def fill(server, count, expires):
    """SET of each key once, through one pipeline. Every key has an expiry of its own."""
    words, tail = b"*3", b""
    if expires:
        words, tail = b"*5", b"$4\r\nPXAT\r\n$13\r\n%d\r\n"
    frame = words + b"\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$32\r\n%032d\r\n" + tail
    first_expiry = int(time.time() * 1000) + YEAR_MS

    def blocks():
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            yield b"".join(frame % ((n, n, first_expiry + n) if expires else (n, n)) for n in numbers)
    load.feed(server, blocks())


def measure(name, server, count, expires):
    server.start()
    with server.connect(timeout=300) as connection:
        fill(server, count // 10, expires)
        connection.call("FLUSHALL")
        watch.wait_until_idle(server)
        used_before = watch.info(connection)["used_memory"]
        fill(server, count, expires)
        if connection.call("DBSIZE") != count:
            raise SystemExit(f"{name}: {connection.call('DBSIZE')} keys instead of {count}")
        watch.wait_for_checkpoint(connection)
        watch.wait_until_idle(server)
        resident = watch.settled_resident_bytes(server)
        fields = watch.info(connection)
    server.kill()
    used = fields["used_memory"]
    readers = fields.get("store_table_reader_bytes", 0)
    figures = {"used": used, "resident": resident, "each": (used - used_before) / count - KEY_BYTES - VALUE_BYTES}
    cache = f", of that {megabytes(fields[watch.BLOCK_CACHE])} cache of the store" if watch.BLOCK_CACHE in fields else ""
    print(f"     {name}: {megabytes(used)} used{cache}, of a server without keys {megabytes(used_before)}; {megabytes(resident)} "
          f"resident; a key {figures['each']:.1f} bytes beyond key and value, {readers / count:.1f} of them filters and "
          "indexes of the store", flush=True)
    return figures


def check(report, arguments, expires, bytes_max):
    what = "with expiry" if expires else "without expiry"
    print(f"     {arguments.keys} keys {what}:", flush=True)
    ours = measure("DiskDB", servers.diskdb(arguments.binary, None, *arguments.option), arguments.keys, expires)
    theirs = measure("Redis", servers.redis(), arguments.keys, expires)
    ratio = ours["resident"] / theirs["resident"]
    report.check(ratio <= RATIO_MAX, f"{what}: {ratio:.2f} of Redis's resident memory, at most {RATIO_MAX}",
                 f"{ours['resident']} bytes, Redis {theirs['resident']}")
    report.check(ours["each"] <= bytes_max, f"{what}: {ours['each']:.1f} bytes a key beyond key and value, at most "
                 f"{bytes_max} (Redis {theirs['each']:.1f})")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--short", action="store_true", help="1 M keys")
    parser.add_argument("--keys", type=int, help="how many (default: 10 million)")
    parser.add_argument("--option", action="append", default=[], help="passed on to DiskDB, as --option=--engine --option=memory")
    parser.add_argument("--deadline", type=int, default=1200, help="seconds until it gives up (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.keys = arguments.keys or (1_000_000 if arguments.short else 10_000_000)
    arguments.bytes_more = BYTES_SHORT_MORE if arguments.keys < 10_000_000 else 0
    return arguments


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    report = Report(verbose=True)
    check(report, arguments, False, BYTES_MAX + arguments.bytes_more)
    check(report, arguments, True, BYTES_EXPIRING_MAX + arguments.bytes_more)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
