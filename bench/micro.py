#!/usr/bin/python3
"""The micro-benchmarks that have a bound: parser, reply writer and allocation path, by second of one processor.

Rates are of processor time, and the best of some repetitions counts: other work on the machine only ever makes them worse.

    bench/micro.py            # builds the preset `bench` first
    bench/micro.py --short
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from lib.report import Report  # noqa: E402

# program, benchmark, millions a second at least, what
BOUNDS = (
    ("resp_bench", "BM_SetPipelined", 10, "requests parsed: SET in pipelines"),
    ("resp_bench", "BM_GetPipelined", 10, "requests parsed: GET in pipelines"),
    ("resp_bench", "BM_GetAlone", 10, "requests parsed: GET alone"),
    ("resp_bench", "BM_Ok", 30, "replies written: OK"),
    ("resp_bench", "BM_Bulk/128", 30, "replies written: 128 bytes"),
    ("resp_bench", "BM_Integer", 30, "replies written: integers"),
    ("keyspace_bench", "BM_CreateDestroy/32", 50, "records allocated, filled and freed: 32 bytes"),
    ("keyspace_bench", "BM_CreateDestroy/128", 50, "records allocated, filled and freed: 128 bytes"),
)


def build():
    script = '. "$root/tools/build.sh" && use_system_tools && build bench resp_bench keyspace_bench'
    subprocess.run(["bash", "-c", script], check=True, env={"root": str(ROOT)}, timeout=3600)


def best_rate(program, name, arguments):
    """Items by second of processor time, the best of the repetitions."""
    command = [str(program), f"--benchmark_filter=^{name}$", f"--benchmark_repetitions={arguments.repetitions}",
               f"--benchmark_min_time={arguments.seconds}", "--benchmark_format=json"]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=300).stdout
    rates = [run["items_per_second"] for run in json.loads(output)["benchmarks"] if run["run_type"] == "iteration"]
    if not rates:
        raise SystemExit(f"{program.name} has no benchmark {name}")
    return max(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", help="of the benchmarks (default: build/bench, built first)")
    parser.add_argument("--short", action="store_true", help="shorter runs, fewer of them")
    arguments = parser.parse_args()
    arguments.repetitions, arguments.seconds = (3, 0.1) if arguments.short else (9, 0.5)
    if not arguments.folder:
        build()
    folder = Path(arguments.folder or ROOT / "build" / "bench")
    report = Report(verbose=True)
    for program, name, least, what in BOUNDS:
        millions = best_rate(folder / program, name, arguments) / 1e6
        report.check(millions >= least, f"{what}: {millions:.1f} M/s, at least {least} ({name})")
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
