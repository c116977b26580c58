#!/usr/bin/python3
"""Damaged logs: what was safely stored and is bad stops the start; a torn end does not.

A flipped bit below an attested offset: the start names file, byte and `--repair-log`, and changes nothing;
`--check-log` finds it too; after `--repair-log` what lies before the damage is there. Truncated, garbled or
reordered bytes behind the attested offset: the server starts with a prefix of what was written.
"""

import argparse
import hashlib
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers  # noqa: E402
from lib.report import Report  # noqa: E402
from log_file import BATCH_HEADER, SEGMENT_HEADER, read_log  # noqa: E402

KEYS = 7  # few keys, so that order counts


class Log:
    """A data folder, and the writes that made it: the n-th write is SET key:(n mod KEYS) n."""

    def __init__(self, arguments, policy, writes, depth, clean=False):
        self.arguments, self.writes = arguments, writes
        server = servers.diskdb(arguments.binary, None, "--max-log-size", "1mb", fsync=policy)
        server.start()
        connection = server.connect()
        padding = "x" * 300
        for first in range(0, writes, depth):
            connection.pipeline([["SET", f"key:{n % KEYS}", f"{n} {padding}"] for n in range(first, min(first + depth, writes))])
        # A last checkpoint would leave nothing in the log.
        server.stop(skips_checkpoint=True) if clean else server.kill()
        self.folder = server.folder
        self.batches, self.attested = read_log(server.folder)

    def copy(self):
        folder = servers.scratch_folder()
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return folder

    def try_start(self, folder):
        """The writes that survived (a count), or the StartFailed."""
        server = servers.diskdb(self.arguments.binary, folder, "--max-log-size", "1mb")
        try:
            server.start(20)
        except servers.StartFailed as failure:
            return failure
        try:
            values = [server.connect().call("GET", f"key:{i}") for i in range(KEYS)]
        finally:
            server.kill()
        return self.survived(values)

    def survived(self, values):
        """How many writes the values are a prefix of; -1 if they are none."""
        numbers = [int(value.split()[0]) if value else None for value in values]
        count = 1 + max((n for n in numbers if n is not None), default=-1)
        expected = [max((n for n in range(max(0, count - KEYS), count) if n % KEYS == i), default=None) for i in range(KEYS)]
        return count if numbers == expected else -1


def fingerprint(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((folder / "log").iterdir()) if path.name != "lock"}


def flip(path, byte, bit):
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def check_flip(log, batch, byte_in_batch, bit, report, name):
    folder = log.copy()
    path = folder / batch.path.relative_to(log.folder)
    flip(path, batch.position + byte_in_batch, bit)
    before = fingerprint(folder)
    outcome = log.try_start(folder)
    if not report.check(isinstance(outcome, servers.StartFailed), f"{name}: the start stops",
                        f"it started with {outcome} writes"):
        return
    said = outcome.output
    report.check(outcome.code not in (0, None) and outcome.code > 0, f"{name}: by an exit code, not a crash", str(outcome.code))
    report.check(path.name in said and re.search(rf"\b{batch.position}\b", said) and "--repair-log" in said,
                 f"{name}: it names file, byte {batch.position} and the repair command", said[-1500:])
    report.check(fingerprint(folder) == before, f"{name}: nothing was changed")
    checked = run(log.arguments.binary, "--check-log", path.parent)
    report.check(checked.returncode != 0 and path.name in checked.stdout + checked.stderr, f"{name}: --check-log finds it",
                 f"exit code {checked.returncode}\n{checked.stdout}{checked.stderr}")
    repaired = run(log.arguments.binary, "--repair-log", path.parent)
    report.check(repaired.returncode == 0 and list(folder.rglob("*.cut")), f"{name}: --repair-log cuts and keeps what it cut",
                 f"exit code {repaired.returncode}\n{repaired.stdout}{repaired.stderr}")
    outcome = log.try_start(folder)
    report.check(isinstance(outcome, int) and 0 <= outcome <= log.writes,
                 f"{name}: after the repair a prefix is there", str(outcome))


def run(binary, *words):
    return subprocess.run([str(binary), *map(str, words)], capture_output=True, text=True, timeout=60, check=False)


def check_tail(log, change, report, name):
    """`change(folder)` damages only what nobody vouched for: the server must start with a prefix."""
    folder = log.copy()
    least = change(folder)
    outcome = log.try_start(folder)
    report.check(isinstance(outcome, int) and least <= outcome <= log.writes, f"{name}: starts with a prefix",
                 f"at least {least} writes expected, got: {outcome}")


def writes_below(log, offset):
    """How many whole SETs lie in batches that end at or below this offset of the log."""
    return sum(batch.path.read_bytes()[batch.position:batch.end_position].count(b"$3\r\nSET\r\n")
               for batch in log.batches if batch.end_offset <= offset)


def test_flips(arguments, chance, report):
    for clean in (False, True):
        log = Log(arguments, "always", 4000, 40, clean=clean)
        state = "after a clean stop" if clean else "after kill -9"
        print(f"{state}: {len(log.batches)} batches, attested up to {log.attested}", flush=True)
        checked = run(arguments.binary, "--check-log", log.batches[0].path.parent)
        report.check(checked.returncode == 0, f"{state}: --check-log finds a sound log sound", checked.stdout + checked.stderr)
        report.equal(log.try_start(log.copy()), log.writes, f"{state}: undamaged, everything is there")
        safe = [batch for batch in log.batches if batch.end_offset <= log.attested and batch.payload_bytes]
        if not report.check(len(safe) > 10, f"{state}: batches are attested", f"{len(safe)} of {len(log.batches)}"):
            return
        chosen = [safe[0], safe[-1], *chance.sample(safe, arguments.flips)]
        places = [0, 8, 20, 24, 40, BATCH_HEADER.size]  # crc, size, salt, offset, attested, payload
        for number, batch in enumerate(chosen):
            place = places[number % len(places)]
            if place == BATCH_HEADER.size:
                place += chance.randrange(batch.payload_bytes)
            check_flip(log, batch, place, chance.randrange(8), report,
                       f"{state}: bit in byte {place} of the batch at {batch.position}")


def test_tails(arguments, chance, report):
    log = Log(arguments, "no", 3000, 10)
    loose = [batch for batch in log.batches if batch.offset >= log.attested]
    if not report.check(len(loose) > 10, "batches that nobody vouched for", f"{len(loose)} of {len(log.batches)}"):
        return
    report.equal(log.try_start(log.copy()), log.writes, "torn tails: undamaged, everything is there")
    least = writes_below(log, log.attested)
    in_copy = lambda folder, batch: folder / batch.path.relative_to(log.folder)  # noqa: E731

    def truncate(batch, extra):
        def change(folder):
            for path in sorted((folder / "log").glob("*.log")):
                if path.name > batch.path.name:
                    path.unlink()
            with open(in_copy(folder, batch), "r+b") as file:
                file.truncate(batch.position + extra)
            return writes_below(log, batch.offset)
        return change

    def overwrite(batch, data):
        def change(folder):
            with open(in_copy(folder, batch), "r+b") as file:
                file.seek(batch.position)
                file.write(data)
            return writes_below(log, batch.offset)
        return change

    last = loose[-1]
    for extra in (0, 1, BATCH_HEADER.size - 1, BATCH_HEADER.size, BATCH_HEADER.size + 1, last.end_position - last.position - 1):
        check_tail(log, truncate(last, extra), report, f"the last batch cut after {extra} bytes")
    for batch in chance.sample(loose, arguments.flips):
        check_tail(log, truncate(batch, chance.randrange(BATCH_HEADER.size + batch.payload_bytes)), report,
                   f"cut within the batch at {batch.position}")
        check_tail(log, overwrite(batch, b"\0" * (batch.end_position - batch.position)), report,
                   f"the batch at {batch.position} never written, later ones were")
        check_tail(log, overwrite(batch, chance.randbytes(4096)), report, f"4 KB of garbage from {batch.position} on")

    def garbage_behind(folder):
        path = in_copy(folder, last)
        with open(path, "r+b") as file:
            file.seek(last.end_position)
            file.write(chance.randbytes(10_000))
        return log.writes
    check_tail(log, garbage_behind, report, "garbage behind the last batch")

    def unused_header(folder):
        """The spare's header torn: never used, so nothing is lost."""
        spare = max((folder / "log").glob("*.log"))
        if spare.name == last.path.name:
            return least
        flip(spare, chance.randrange(SEGMENT_HEADER.size), 0)
        return log.writes
    check_tail(log, unused_header, report, "a bad header of the unused spare")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--flips", type=int, default=6, help="random places of each kind (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="default: from the clock")
    parser.add_argument("--deadline", type=int, default=180, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 30)
    if arguments.binary == "redis":
        report.skip("corrupt logs", "the format is DiskDB's own")
        sys.exit(report.finish())
    test_flips(arguments, random.Random(seed), report)
    test_tails(arguments, random.Random(seed), report)
    print(f"seed {seed}", flush=True)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
