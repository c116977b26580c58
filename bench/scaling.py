#!/usr/bin/python3
"""One network thread beside two: what the second brings, and what it costs.

The load generator runs on the same machine, so with two processors two network threads never have both to themselves:
throughput understates what the second thread brings. Operations by second of the server's processor time do not depend on who
else runs; their ratio says what the threads cost each other (locks taken, lines of the cache that wander), and the throughput
that two processors of their own would reach is about twice the threads' rate at that cost. Both servers run at once and are
loaded in turn, A B A B; ratios are medians of the pairs'.

    bench/scaling.py            # some minutes
    bench/scaling.py --short
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lib import servers  # noqa: E402
from lib.report import Report  # noqa: E402

# Two threads may take this much more processor time an operation than one, or the second is wasted.
COST_RATIO_MAX = 1.35
OPERATIONS = {1: 200_000, 16: 2_000_000, 100: 4_000_000}
KEYS = 1_000_000
VALUE_BYTES = 128


def load(server, test, depth, count, arguments):
    """One load of redis-benchmark; returns operations a second, by wall clock and by processor time."""
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-t", test, "-n", str(count), "-c", "50",
               "-r", str(KEYS), "-d", str(VALUE_BYTES), "-P", str(depth), "-q", "--threads", str(arguments.client_threads)]
    server_before = server.cpu_seconds()
    client_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout
    client_after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = float(re.findall(r"([\d.]+) requests per second", output)[-1])
    server_seconds = server.cpu_seconds() - server_before
    client_seconds = (client_after.ru_utime + client_after.ru_stime) - (client_before.ru_utime + client_before.ru_stime)
    return {"rate": rate, "rate_of_cpu": count / server_seconds, "server_cores": server_seconds * rate / count,
            "client_cores": client_seconds * rate / count}


def compare(one, two, test, depth, arguments):
    count = max(1000, int(OPERATIONS[depth] * arguments.scale))
    pairs = [(load(one, test, depth, count, arguments), load(two, test, depth, count, arguments))
             for _ in range(arguments.pairs)]

    def median(side, figure):
        return statistics.median(pair[side][figure] for pair in pairs)
    sides = [{figure: median(side, figure) for figure in pairs[0][0]} for side in (0, 1)]
    return {"test": test, "depth": depth, "operations": count, "one": sides[0], "two": sides[1],
            "speed_ratio": statistics.median(pair[1]["rate"] / pair[0]["rate"] for pair in pairs),
            "cost_ratio": statistics.median(pair[0]["rate_of_cpu"] / pair[1]["rate_of_cpu"] for pair in pairs)}


def show(row):
    sides = ", ".join(f"{side['rate'] / 1000:.0f} k/s at {side['server_cores']:.2f} cores ({side['rate_of_cpu'] / 1e6:.2f} M "
                      f"by CPU second; client {side['client_cores']:.2f} cores)" for side in (row["one"], row["two"]))
    return (f"     {row['test'].upper()}, {row['depth']} in a pipeline, 1 and 2 threads: {sides}; total {row['speed_ratio']:.2f} "
            f"times, CPU an operation {row['cost_ratio']:.2f} times")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--short", action="store_true", help="fewer operations")
    parser.add_argument("-t", "--tests", default="set,get", help="of redis-benchmark (default: %(default)s)")
    parser.add_argument("-P", "--depths", default="16,100", help="commands in a pipeline (default: %(default)s)")
    parser.add_argument("--pairs", type=int, help="measurements of each server (default: 5)")
    parser.add_argument("--client-threads", type=int, default=2, help="threads of redis-benchmark (default: %(default)s)")
    parser.add_argument("--option", action="append", default=[], help="passed on to both, as --option=--engine --option=memory")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--deadline", type=int, default=900, help="seconds until it gives up (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.scale = 0.25 if arguments.short else 1.0
    arguments.pairs = arguments.pairs or (3 if arguments.short else 5)
    return arguments


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    report = Report(verbose=True)
    one, two = (servers.diskdb(arguments.binary, None, "--threads", str(n), "--spread-connections", "always", *arguments.option)
                for n in (1, 2))
    for server in (one, two):
        server.start()
        load(server, "set", 100, 2 * KEYS, arguments)
    print(f"     {os.cpu_count()} processors for server and load; {KEYS} keys of {VALUE_BYTES} bytes", flush=True)
    rows = []
    for test in arguments.tests.split(","):
        for depth in (int(word) for word in arguments.depths.split(",")):
            rows.append(compare(one, two, test, depth, arguments))
            print(show(rows[-1]), flush=True)
            report.check(rows[-1]["cost_ratio"] <= COST_RATIO_MAX,
                         f"{test.upper()}, {depth}: two threads cost {rows[-1]['cost_ratio']:.2f} times one's CPU an operation, "
                         f"at most {COST_RATIO_MAX}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    for server in (one, two):
        server.kill()
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
