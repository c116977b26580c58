#!/usr/bin/python3
"""Streams beside Redis 7.0: what a command costs, and what an entry takes.

  cpu      Server CPU per operation, 16 in a pipeline, append-only files synced every second: pairs A B A B, median of their
           ratios, as bench/compare_collections.py measures.
  memory   Growth of used and of resident memory for a million entries in one stream, and in 10,000: of one field with a
           value of 20 bytes, and of three fields with small numbers. Redis runs in memory only, where it takes least.

    bench/compare_streams.py
    bench/compare_streams.py --short
"""

import contextlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_collections import (EACH, VALUE_20, WIDTH, Load, measure_load, measure_memory, run_sections,  # noqa: E402
                                 section_arguments)
from lib import load, servers, watch  # noqa: E402
from lib.resp import encode  # noqa: E402

DEPTH = 16
CONNECTIONS = 50
CPU_MAX = 0.7
MEMORY_MAX = 1.0
FORMS = {"text": b"*5\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$%d\r\n%d-0\r\n$5\r\nfield\r\n$20\r\nvalue:%014d\r\n",
         "numbers": b"*9\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$%d\r\n%d-0\r\n$11\r\ntemperature\r\n$2\r\n21\r\n"
                    b"$8\r\nhumidity\r\n$2\r\n48\r\n$6\r\nsensor\r\n$6\r\n%06d\r\n"}
FIRST_ID = 1_700_000_000_000


def entries(form, key, count):
    """Commands that add so many entries, a millisecond apart."""
    for first in range(0, count, EACH):
        yield b"".join(FORMS[form] % (len(key), key, 15, FIRST_ID + n, n % 1_000_000)
                       for n in range(first, min(first + EACH, count)))


def fill_one(form):
    return lambda server, count: load.feed(server, entries(form, b"stream", count))


def fill_many(form):
    return lambda server, count: load.feed(server, (
        block for value in range(count // EACH) for block in entries(form, b"stream:%012d" % value, EACH)))


# ---- CPU.

LOADS = [Load("XADD *", CPU_MAX, f"XADD added * field {VALUE_20}"),
         Load("XADD * with MAXLEN ~", CPU_MAX, f"XADD capped MAXLEN ~ 1000 * field {VALUE_20}"),
         Load("XRANGE of 100", CPU_MAX, "XRANGE stream - + COUNT 100", count=30_000),
         Load("XREVRANGE of 100", CPU_MAX, "XREVRANGE stream + - COUNT 100", count=30_000),
         Load("XREAD of 10", CPU_MAX, f"XREAD COUNT 10 STREAMS stream {FIRST_ID}", count=100_000),
         Load("XREADGROUP of 1", CPU_MAX, "XREADGROUP GROUP reads consumer COUNT 1 STREAMS stream >", count=100_000)]


def read_and_acknowledge(server, name, count):
    """XREADGROUP of one entry and its XACK, so many times, DEPTH commands at a time: by as many connections as the other
    loads have, each with a group of its own."""
    groups = [f"{name}-{n}".encode() for n in range(CONNECTIONS)]
    connections = [server.connect(timeout=300) for _ in groups]
    with contextlib.ExitStack() as stack:
        for connection, group in zip(connections, groups):
            stack.enter_context(connection)
            connection.call("XGROUP", "CREATE", "stream", group, "0")
        each = count // CONNECTIONS
        acks = [[encode([b"XREADGROUP", b"GROUP", group, b"consumer", b"COUNT", b"1", b"STREAMS", b"stream", b">"])
                 + encode([b"XACK", b"stream", group, b"%d-0" % (FIRST_ID + n)]) for n in range(each)] for group in groups]
        before, began = watch.exact_cpu_seconds(server), time.monotonic()
        for at in range(0, each, DEPTH // 2):
            for connection, pairs in zip(connections, acks):
                connection.send_raw(b"".join(pairs[at:at + DEPTH // 2]))
            for connection, pairs in zip(connections, acks):
                for _ in pairs[at:at + DEPTH // 2]:
                    connection.receive()
                    if connection.receive() != b":1\r\n":
                        raise SystemExit("XACK of an entry that was not pending")
        cpu, took = watch.exact_cpu_seconds(server) - before, time.monotonic() - began
        for connection, group in zip(connections, groups):
            connection.call("XGROUP", "DESTROY", "stream", group)
    commands = 2 * each * CONNECTIONS
    return {"server_us": cpu / commands * 1e6, "client_us": 0.0, "ops_per_second": commands / took, "client_cores": 0.0}


def check_cpu(arguments, report):
    ours = servers.diskdb(arguments.binary, None, *arguments.option)
    theirs = servers.redis(None, "--appendfsync", "everysec", persistent=True)
    for server in (ours, theirs):
        server.start()
        fill_one("text")(server, arguments.entries)
        with server.connect() as connection:
            connection.call("XGROUP", "CREATE", "stream", "reads", "0")
    print(load.header(WIDTH), flush=True)
    rows = []
    for one in LOADS:
        rows.append(measure_load(ours, theirs, one, arguments))
        print(load.show(rows[-1], WIDTH), flush=True)
    count = max(500, int(50_000 * arguments.scale))
    pairs = [tuple(read_and_acknowledge(server, f"pair{n}", count) for server in (ours, theirs)) for n in range(arguments.pairs)]
    rows.append(load.row_of("XREADGROUP of 1, XACK", DEPTH, 2 * count, pairs, CPU_MAX))
    print(load.show(rows[-1], WIDTH), flush=True)
    for row in rows:
        report.check(row["cpu_ratio"] <= row["target"],
                     f"cpu: {row['test']}: {row['cpu_ratio']:.2f} of Redis's, at most {row['target']}")
    for server in (ours, theirs):
        server.kill()
    return rows


# ---- Memory.

def check_memory(arguments, report):
    rows = []
    for form in FORMS:
        for name, fill in ((f"{form}, {arguments.entries} in one", fill_one(form)),
                           (f"{form}, {arguments.entries // EACH} of {EACH}", fill_many(form))):
            ours, theirs = (measure_memory(server, fill, arguments.entries) for server in
                            (servers.diskdb(arguments.binary, None, *arguments.option), servers.redis()))
            ratios = {what: ours[what] / theirs[what] for what in ours}
            rows.append({"test": name, "diskdb": ours, "redis": theirs, "ratios": ratios, "target": MEMORY_MAX})
            for what, ratio in ratios.items():
                report.check(ratio <= MEMORY_MAX, f"memory: {name}: {what} {ratio:.2f} of Redis's, at most {MEMORY_MAX} "
                             f"({ours[what]:.1f} and {theirs[what]:.1f} bytes an entry)")
    return rows


def main():
    parser = section_arguments(__doc__, ("cpu", "memory"), "fewer entries and pairs", "cpu", 3600)
    parser.add_argument("--entries", type=int, help="of the large stream (default: 1000000, short: 200000)")
    arguments = parser.parse_args()
    arguments.entries = arguments.entries or (200_000 if arguments.short else 1_000_000)
    arguments.pairs = arguments.pairs or (1 if arguments.short else 3)
    arguments.scale = arguments.scale or (0.2 if arguments.short else 1.0)
    servers.set_deadline(arguments.deadline)
    run_sections({"cpu": check_cpu, "memory": check_memory}, arguments)


if __name__ == "__main__":
    main()
