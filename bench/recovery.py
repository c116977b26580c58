#!/usr/bin/python3
"""How fast the log is replayed at a start: commands a second, and a second of one core's time."""

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lib import servers  # noqa: E402
from lib.report import Report  # noqa: E402

BOUND = 1_000_000  # commands a second and core
LOADS = {"SET": ("SET", "key:__rand_int__", "x" * 128), "INCR": ("INCR", "counter:__rand_int__")}


def measure(arguments, name, words, report):
    server = servers.diskdb(arguments.binary, None, *arguments.option)
    server.start()
    subprocess.run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-n", str(arguments.commands), "-P", "200",
                    "-c", "20", "-r", str(arguments.keys), "-q", *words], stdout=subprocess.DEVNULL, check=True, timeout=300)
    server.kill()
    log_bytes = sum(path.stat().st_blocks * 512 for path in server.folder.rglob("*") if path.is_file())
    empty = servers.diskdb(arguments.binary, None, *arguments.option)
    idle = empty.start()  # what a start costs without any log
    idle_cpu = empty.cpu_seconds()
    empty.kill()
    figures = []
    for _ in range(arguments.repeat):
        seconds = server.start(300)
        figures.append((server.cpu_seconds() - idle_cpu, seconds - idle))
        size = server.connect().call("DBSIZE")
        server.kill()
    cpu, seconds = min(figures)
    rate = arguments.commands / max(cpu, 1e-9)
    report.check(rate >= arguments.bound and size > 0,
                 f"{name}: {arguments.commands} commands, {log_bytes / 1e6:.0f} MB of log, {size} keys: {seconds:.2f} s, "
                 f"{arguments.commands / max(seconds, 1e-9) / 1e6:.2f} M/s, {rate / 1e6:.2f} M/s a core",
                 f"the bound is {arguments.bound / 1e6:.2f} M/s a core")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_binary_argument(parser)
    parser.add_argument("--commands", type=int, default=3_000_000, help="in the log (default: %(default)s)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="key space (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="starts; the best counts (default: %(default)s)")
    parser.add_argument("--bound", type=float, default=BOUND, help="commands a second and core (default: %(default)s)")
    parser.add_argument("--option", action="append", default=[], help="passed on to the server")
    parser.add_argument("--deadline", type=int, default=600, help="seconds until it gives up (default: %(default)s)")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    report = Report(verbose=True)
    for name, words in LOADS.items():
        measure(arguments, name, words, report)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
