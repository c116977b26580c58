#!/usr/bin/python3
"""Counts instructions per command on the hot path (parse, execute, reply, log; no sockets) and compares them with what
bench/instructions.json says. Unlike times they are the same on every run, so that a change that costs some shows.

    bench/instructions.py            # fails where a command costs more than recorded, beyond the tolerance
    bench/instructions.py --record   # after a change that is meant to cost, or that saves
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from lib.report import Report  # noqa: E402

RECORD = ROOT / "bench" / "instructions.json"
PROGRAM = ROOT / "build" / "release" / "hot_path"
LOADS = ("set", "get", "incr", "mixed", "lset", "hget", "zscore", "zadd", "zmove", "xadd", "xreadgroup", "xack", "jget")
PIPELINES = 500
TOLERANCE = 0.04  # processors differ in which copy of memcpy they get


def instructions_per_command(program, load):
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=*counted_part*", f"--callgrind-out-file={folder}/out"]
        done = subprocess.run([*command, str(program), load, str(PIPELINES)], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        commands = int(re.search(r"(\d+) commands", done.stdout).group(1))
        total = int(re.search(r"^(?:summary|totals): (\d+)", Path(folder, "out").read_text(), re.MULTILINE).group(1))
    return total / commands


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=PROGRAM, help="default: %(default)s")
    parser.add_argument("--record", action="store_true", help="write the figures down instead")
    arguments = parser.parse_args()
    counted = {load: round(instructions_per_command(arguments.program, load), 1) for load in LOADS}
    if arguments.record:
        RECORD.write_text(json.dumps(counted, indent=2) + "\n")
        print(counted)
        return
    report = Report(verbose=True)
    for load, recorded in json.loads(RECORD.read_text()).items():
        report.check(counted[load] <= recorded * (1 + TOLERANCE),
                     f"{load}: {counted[load]:.0f} instructions a command, recorded {recorded:.0f}",
                     f"more than {TOLERANCE:.0%} above it: profile what was added, or record it with a reason")
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
