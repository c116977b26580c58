#!/usr/bin/python3
"""What JSON documents cost, DiskDB alone: Redis 7.0 has none.

  get     Server CPU of JSON.GET of one member of a document of 1 KB, the first, one in the middle and the last, beside GET of
          the same text: 10,000 of each, 16 in a pipeline; pairs A B A B, median of their ratios, as bench/compare_collections.py.
  set     JSON.SET of a scalar in a document of 100 KB: what it logs, and what the next checkpoint writes of the document.
  memory  MEMORY USAGE of documents, in bytes a byte of their text: only stated.

    bench/json_costs.py
    bench/json_costs.py --short
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_collections import RANDOM, WIDTH, Load, measure_load, run_sections, section_arguments  # noqa: E402
from lib import load, servers, watch  # noqa: E402
from lib.resp import encode  # noqa: E402

GET_MAX = 1.5
LOGGED_MAX = 200            # bytes a JSON.SET: the command, and its frame
WRITTEN_MAX = 64 * 1024     # bytes of a checkpoint, most of it the frame of a file
DOCUMENTS = 10_000
MEMBERS = 41
ITEMS = 1800


def small_text(number):
    """Some 1 KB of names, numbers and texts."""
    members = {f"member{n:02}": f"some text {number % 100:02}-{n:02}" if n % 2 == 0 else number * n + 1_000_000
               for n in range(MEMBERS)}
    return json.dumps(members, separators=(",", ":"))


def large_text():
    """Some 100 KB of objects in an array."""
    items = [{"id": n, "name": f"item {n:06}", "price": n / 4, "tags": ["a", "b"]} for n in range(ITEMS)]
    return json.dumps({"items": items}, separators=(",", ":"))


def fill(documents, as_json):
    for first in range(0, documents, 100):
        yield b"".join(encode([b"JSON.SET", b"json:%012d" % n, b"$", small_text(n).encode()] if as_json else
                              [b"SET", b"text:%012d" % n, small_text(n).encode()]) for n in range(first, first + 100))


def check_get(arguments, report):
    server = servers.diskdb(arguments.binary, None, *arguments.option)
    server.start()
    for as_json in (False, True):
        load.feed(server, fill(arguments.documents, as_json))
    text = Load("GET of the text", None, f"GET text:{RANDOM}", arguments.documents)
    rows = []
    print(load.header(WIDTH).replace("Redis", "  GET"), flush=True)
    for name in ("member00", f"member{MEMBERS // 2:02}", f"member{MEMBERS - 1:02}"):
        for path in (f"$.{name}", name):
            one = Load(f"JSON.GET {path}", GET_MAX, f"JSON.GET json:{RANDOM} {path}", arguments.documents)
            rows.append(measure_load(server, server, one, arguments, text))
            print(load.show(rows[-1], WIDTH), flush=True)
    for row in rows:
        report.check(row["cpu_ratio"] <= row["target"],
                     f"get: {row['test']}: {row['cpu_ratio']:.2f} times GET's CPU, at most {row['target']}")
    server.kill()
    return rows


def check_set(arguments, report):
    server = servers.diskdb(arguments.binary, None, "--checkpoint-interval", "1h", *arguments.option)
    server.start()
    text = large_text()
    with server.connect(timeout=60) as connection:
        connection.call("JSON.SET", "large", "$", text)
        watch.checkpoint(connection)
        before = watch.info(connection)
        count = 1000
        for n in range(count):
            connection.call("JSON.SET", "large", f"$.items[{n * 7 % ITEMS}].price", str(n))
        logged = (watch.info(connection)["log_offset"] - before["log_offset"]) / count
        watch.checkpoint(connection)
        before = watch.info(connection)
        connection.call("JSON.SET", "large", f"$.items[{ITEMS // 2}].price", "1.5")
        watch.checkpoint(connection)
        written = watch.info(connection)["checkpoint_written_bytes"] - before["checkpoint_written_bytes"]
    server.kill()
    report.check(logged <= LOGGED_MAX, f"set: JSON.SET of a scalar in {len(text)} bytes logs {logged:.0f}, at most {LOGGED_MAX}")
    report.check(written <= WRITTEN_MAX, f"set: the next checkpoint writes {written} bytes, at most {WRITTEN_MAX}")
    return {"text": len(text), "logged": logged, "written": written}


def check_memory(arguments, _report):
    figures = {}
    for name, text in (("1 KB", small_text(5)), ("100 KB", large_text())):
        server = servers.diskdb(arguments.binary, None, *arguments.option)
        server.start()
        with server.connect(timeout=60) as connection:
            connection.call("JSON.SET", "document", "$", text)
            figures[name] = connection.call("MEMORY", "USAGE", "document") / len(text)
        server.kill()
        print(f"     memory: a document of {len(text)} bytes takes {figures[name]:.2f} bytes a byte", flush=True)
    return figures


def main():
    parser = section_arguments(__doc__, ("get", "set", "memory"), "fewer documents and pairs", "get", 1200)
    arguments = parser.parse_args()
    arguments.documents = 2000 if arguments.short else DOCUMENTS
    arguments.pairs = arguments.pairs or (1 if arguments.short else 3)
    arguments.scale = arguments.scale or (0.2 if arguments.short else 1.0)
    servers.set_deadline(arguments.deadline)
    run_sections({"get": check_get, "set": check_set, "memory": check_memory}, arguments)


if __name__ == "__main__":
    main()
