"""Runs DiskDB's tests one after the other and sums them up; ./test calls it when everything is built.

A step is a program. Its result is read from its last line that says `N passed, N failed` (our scripts) or
from the report of GoogleTest; one that says neither counts as one test. A step that ends with an error or
runs out of time has failed at least once, whatever it says. Each step's output is in
build/test-logs/NAME.log, and of a failed one the end is shown.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"
PYTHON = "/usr/bin/python3"
TAIL_LINES = 40


@dataclass
class Step:
    name: str
    command: list
    seconds_max: int = 600
    environment: dict = field(default_factory=dict)


@dataclass
class Count:
    passed: int = 0
    failed: int = 0


def script(name, path, *arguments, seconds_max=600):
    """A script of tests/ or tools/."""
    interpreter = PYTHON if path.endswith(".py") else "/bin/bash"
    return Step(name, [interpreter, str(ROOT / path), *map(str, arguments)], seconds_max)


def source_steps():
    return [script("tidy", "tools/tidy.py", "--format"), script("tidy_test", "tools/tidy_test.py")]


def unit_steps(build, seconds_max):
    """One step a layer: its GoogleTest executable."""
    steps = []
    for program in sorted(build.glob("*_test")):
        report = LOGS / f"{program.name}.json"
        marks = LOGS / f"{program.name}.reached"
        steps.append(Step(program.name,
                          [str(program), "--gtest_brief=1", f"--gtest_output=json:{report}"],
                          seconds_max=seconds_max, environment={"DISKDB_REACHED_FILE": str(marks)}))
    return steps


def system_steps():
    """The system tests in their short form; each script's --help tells about the long one."""
    return [
        script("differential", "tests/differential/run.py", "--seed", 1, "--seeds", 2, "--commands", 5000),
        script("metamorphic", "tests/metamorphic/run.py", "--seed", 1, "--seeds", 15),
        script("introspection", "tests/introspection/compare.py"),
        script("tcl", "tests/tcl/run.py", seconds_max=1200),
        script("clients", "tests/clients/run.py", "--requests", 50_000),
        script("packages", "tests/dataset/packages.py"),
        script("instructions", "bench/instructions.py"),
        script("memory", "tests/memory/run.py"),
        script("hostile", "tests/hostile/run.py", "--short"),
        script("metrics", "tests/metrics/run.py"),
        script("replay_digest", "tests/crash/replay_digest.py"),
        script("kill9", "tests/crash/kill9.py", "--rounds", 5),
        script("kill9_tier", "tests/crash/kill9.py", "--rounds", 5, "--maxmemory", "16mb", "--bgsave", 60),
        script("kill9_types", "tests/crash/kill9_types.py", "--rounds", 3),
        script("larger_than_memory", "bench/larger_than_memory.py", "--short", "--data-mb", 512, "--memory-mb", 192,
               "--rate", 1000),
        script("queue_keys", "bench/queue_keys.py", "--short"),
        script("corrupt", "tests/crash/corrupt.py"),
        script("fulldisk", "tests/crash/fulldisk.py"),
        script("fuzz", "tools/fuzz.sh", 5, seconds_max=1200),
    ]


def count_gtest(report):
    """None if the program did not live to write its report."""
    if not report.exists():
        return None
    totals = json.loads(report.read_text())
    failed = totals["failures"] + totals.get("errors", 0)
    return Count(totals["tests"] - totals["disabled"] - failed, failed)


def count_summary(output):
    lines = re.findall(r"^(\d+) passed, (\d+) failed\b", output, re.MULTILINE)
    return Count(*map(int, lines[-1])) if lines else None


def run(step):
    """Runs one step in a process group of its own, which ends with it."""
    log_path = LOGS / f"{step.name}.log"
    report = LOGS / f"{step.name}.json"
    report.unlink(missing_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(step.command, stdout=log, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, start_new_session=True, cwd=ROOT,
                                   env={**os.environ, **step.environment})
        try:
            code = process.wait(step.seconds_max)
            end = f"exit code {code}"
        except subprocess.TimeoutExpired:
            code, end = 1, f"not done after {step.seconds_max} s"
        finally:
            end_group(process)
    output = log_path.read_text(errors="replace")
    count = count_gtest(report) or count_summary(output) or Count(int(code == 0), 0)
    if code != 0:
        count.failed = max(count.failed, 1)
    return count, end, output


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def report_unreached():
    """Prints the marks (base/reached.h) that no unit test came by."""
    reached, all_marks = set(), set()
    for file in LOGS.glob("*.reached"):
        for line in file.read_text().splitlines():
            state, mark = line.split(" ", 1)
            all_marks.add(mark)
            if state == "reached":
                reached.add(mark)
    for mark in sorted(all_marks - reached):
        print(f"  never reached: {mark}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="source checks and unit tests only")
    parser.add_argument("--unit", action="store_true", help="unit tests only")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "dev",
                        help="folder with the unit tests (default: build/dev)")
    parser.add_argument("--patience", type=int, default=600,
                        help="seconds after which a unit test program is taken to hang (default: %(default)s)")
    parser.add_argument("--only", help="run only steps whose name contains this")
    options = parser.parse_args()

    LOGS.mkdir(parents=True, exist_ok=True)
    for file in LOGS.glob("*.reached"):
        file.unlink()
    steps = unit_steps(options.build.resolve(), options.patience)
    if not options.unit:
        steps = source_steps() + steps
        if not options.quick:
            steps += system_steps()
    if options.only:
        steps = [step for step in steps if options.only in step.name]

    total = Count()
    for step in steps:
        print(f"{step.name:24} ", end="", flush=True)
        started = time.monotonic()
        count, end, output = run(step)
        total.passed += count.passed
        total.failed += count.failed
        print(f"{count.passed} passed, {count.failed} failed  ({time.monotonic() - started:.1f} s)")
        if count.failed:
            print("\n".join("    " + line for line in output.splitlines()[-TAIL_LINES:]))
            print(f"    ({end}; all of it: {LOGS.relative_to(ROOT)}/{step.name}.log)", flush=True)
    if not options.only:
        report_unreached()
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
