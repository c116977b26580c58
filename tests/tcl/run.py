#!/usr/bin/python3
"""Runs units of Redis 7.0's own test suite against DiskDB, in the suite's external mode.

A failure passes only if known-failures.txt names it and says which later command or type it waits for; a name there
that no longer fails is a failure too. At least 300 tests must be ok (of the standard units).
"""

import argparse
import random
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import redis_source  # noqa: E402
from lib import servers  # noqa: E402
from lib.report import Report  # noqa: E402

UNITS = ["unit/type/string", "unit/type/incr", "unit/keyspace", "unit/expire", "unit/scan", "unit/protocol", "unit/bitops",
         "unit/bitfield", "unit/hyperloglog", "unit/slowlog", "unit/latency-monitor",
         "unit/type/list", "unit/type/list-2", "unit/type/list-3", "unit/geo", "unit/type/hash", "unit/type/set",
         "unit/type/zset", "unit/sort", "unit/dump", "unit/type/stream", "unit/type/stream-cgroups"]
# The suite's encodings are those of 7.0, where no list is a listpack; 8.10 wins (docs/compatibility.md).
OTHER_ENCODINGS = {"unit/type/list", "unit/type/list-2", "unit/type/list-3", "unit/sort"}
# Known failures of these are not even run: they would leave clients blocked, which other tests count.
SKIPS_KNOWN_FAILURES = {"unit/type/list", "unit/type/zset", "unit/type/stream", "unit/type/stream-cgroups"}
OK_MIN = 300
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
RESULT = re.compile(r"^\[(ok|err|skip|ignore|exception|TIMEOUT)\]: ?(.*)")


def load_known_failures():
    """{(unit, test name): reason} from lines `unit | test name | reason`."""
    known = {}
    for line in (HERE / "known-failures.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            unit, name, reason = (part.strip() for part in line.split(" | ", 2))
            known[unit, name] = reason
    return known


def run_unit(unit, server, folder, timeout, skipped=()):
    """The suite's output for one unit, as (kind, name, details) results. `skipped`: names of tests."""
    command = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(server.port), "--durable",
               "--timeout", str(timeout), "--single", unit,
               "--baseport", str(random.randrange(20000, 30000))]  # another run beside this one has its own
    if unit in OTHER_ENCODINGS:
        command.append("--ignore-encoding")
    for name in skipped:
        command += ["--skiptest", name]
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=5 * timeout)
        output = done.stdout
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"") + b"\n[exception]: the unit did not end in time\n"
    results, is_whole = [], False
    for line in COLOUR.sub("", output.decode(errors="replace")).splitlines():
        if line.startswith("\\o/") or line.startswith("!!! WARNING The following tests failed"):
            is_whole = True
            break  # the summary repeats the failures
        match = RESULT.match(line)
        if match:
            kind, name = match.groups()
            if kind == "TIMEOUT":  # a test made no progress, which ends the unit; what follows names it
                kind = "exception"
            name = re.sub(r" \(\d+ ms\)$", "", name)
            name = re.sub(r" in tests/unit/\S+\.tcl$", "", name)
            results.append([kind, name, ""])
        elif results and results[-1][0] in ("err", "exception"):
            results[-1][2] += line + "\n"
    if not is_whole and not any(kind == "exception" for kind, _, _ in results):  # the output breaks off
        last = next((name for kind, name, _ in reversed(results) if kind == "ok"), "nothing")
        results.append(["exception", f"the unit ended behind: {last}", output.decode(errors="replace")[-1500:]])
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_binary_argument(parser)
    parser.add_argument("--unit", action="append", help="only these units, as unit/type/string (default: all of them)")
    parser.add_argument("--timeout", type=int, default=120,
                        help="seconds without progress that end a unit (default: %(default)s)")
    parser.add_argument("--deadline", type=int, default=1200, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)

    report, known = Report(arguments.verbose), load_known_failures()
    counts = dict.fromkeys(("ok", "err", "skip", "ignore", "exception"), 0)
    folder = servers.scratch_folder()
    redis_source.copy_tests(folder)
    # 7.0 has no listpack of members: without it the encodings of sets are the same.
    sets_as_in_7_0 = () if arguments.binary == "redis" else ("--set-max-listpack-entries", "0")
    server = servers.diskdb(arguments.binary, None, *sets_as_in_7_0)
    for unit in arguments.unit or UNITS:
        if not server.is_alive():
            server.start()
        skipped = [name for known_unit, name in known if known_unit == unit and unit in SKIPS_KNOWN_FAILURES]
        results = run_unit(unit, server, folder, arguments.timeout, skipped)
        check_unit(unit, results, known, counts, report)
        if not report.check(server.is_alive(), f"{unit}: the server is alive", server.output()[-2000:]):
            server.start()
        print(f"{unit}: " + ", ".join(f"{sum(r[0] == kind for r in results)} {kind}" for kind in counts), flush=True)
    print("together: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()), flush=True)
    if not arguments.unit:
        report.check(counts["ok"] >= OK_MIN, f"at least {OK_MIN} tests ok", f"{counts['ok']} ok")
    sys.exit(report.finish())


def check_unit(unit, results, known, counts, report):
    failed = set()
    for kind, name, details in results:
        counts[kind] += 1
        if kind == "ok":
            report.ok(f"{unit}: {name}")
        elif kind in ("err", "exception"):
            failed.add(name)
            if (unit, name) in known:
                print(f"known {unit}: {name}: {known[unit, name]}", flush=True)
            else:
                report.fail(f"{unit}: {name}", details[:1500])
    for known_unit, name in known:
        if known_unit == unit and unit not in SKIPS_KNOWN_FAILURES and name not in failed:
            report.fail(f"{unit}: {name}", "is in known-failures.txt and did not fail: take it out")
    report.check(any(kind == "ok" for kind, _, _ in results), f"{unit}: at least one test is ok")


if __name__ == "__main__":
    main()
