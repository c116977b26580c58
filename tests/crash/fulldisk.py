#!/usr/bin/python3
"""A full disk: writes are refused with MISCONF, reads go on, nothing acknowledged is lost, and room ends it by itself.

The data folder lies on a small tmpfs; mounting it needs root, so elsewhere the test is skipped and says so.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.resp import ReplyError, decode  # noqa: E402

VALUE = b"v" * 10_000
RECOVERY_SECONDS = 10  # from the moment there is room until writes are accepted


class SmallDisk:
    def __init__(self, megabytes):
        self.folder = servers.scratch_folder("diskdb-fulldisk-")
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "diskdb-test", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.problem = done.stderr.strip() if done.returncode else None

    def fill(self):
        """Takes all room that is left."""
        with open(self.folder / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"\0" * 65536)
            except OSError:
                pass

    def make_room(self):
        (self.folder / "filler").unlink()

    def unmount(self):
        if self.problem is None:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)


def write_until_refused(connection, acknowledged, most):
    """Pipelines SETs; returns the first refusal, or None after `most` of them. Remembers what was acknowledged."""
    for first in range(0, most, 50):
        keys = [b"key:%d" % (len(acknowledged) + i) for i in range(50)]
        replies = connection.pipeline([[b"SET", key, VALUE + key] for key in keys])
        for key, reply in zip(keys, replies):
            if reply == b"+OK\r\n":
                acknowledged.append(key)
            else:
                return decode(reply)
    return None


def is_misconf(reply):
    return isinstance(reply, ReplyError) and str(reply).startswith("MISCONF")


def check_all(connection, acknowledged, report, when):
    for first in range(0, len(acknowledged), 100):
        keys = acknowledged[first:first + 100]
        if connection.call("MGET", *keys) != [VALUE + key for key in keys]:
            return report.fail(f"{when}: every acknowledged value is there", f"among {keys[0]!r} .. {keys[-1]!r}")
    return report.ok(f"{when}: every acknowledged value is there")


def run(disk, arguments, report):
    server = servers.diskdb(arguments.binary, disk.folder / "data", *arguments.option)
    server.start()
    acknowledged = []
    connection = server.connect()
    disk_bytes = arguments.megabytes << 20
    write_until_refused(connection, acknowledged, disk_bytes // 8 // len(VALUE))
    report.check(len(acknowledged) > 0, "writes are accepted while there is room")
    disk.fill()
    refusal = write_until_refused(connection, acknowledged, 2 * disk_bytes // len(VALUE))
    report.check(is_misconf(refusal), "a full disk refuses writes", f"got {refusal!r} after {len(acknowledged)} writes")
    for words in (["INCR", "n"], ["DEL", acknowledged[0]], ["EXPIRE", acknowledged[0], 100], ["FLUSHALL"]):
        reply = decode(connection.raw(*words))
        report.check(is_misconf(reply), f"{words[0]} is refused too", repr(reply))
    check_all(connection, acknowledged, report, "while refusing")
    report.equal(connection.raw("PING"), b"+PONG\r\n", "PING is answered")
    report.equal(connection.call("DBSIZE"), len(acknowledged), "DBSIZE counts what was acknowledged")

    disk.make_room()
    begin = time.monotonic()
    while decode(connection.raw("SET", "after", "room")) != b"OK" and time.monotonic() - begin < RECOVERY_SECONDS:
        time.sleep(0.05)
    report.equal(connection.call("GET", "after"), b"room", "writes go on by themselves when there is room")
    print(f"     after {time.monotonic() - begin:.2f} s", flush=True)

    disk.fill()
    write_until_refused(connection, acknowledged, 2 * disk_bytes // len(VALUE))
    server.kill()
    disk.make_room()
    server.start()
    connection = server.connect()
    check_all(connection, acknowledged, report, "after kill -9 on a full disk")
    report.equal(connection.call("GET", "after"), b"room", "and what was written in between")
    report.equal(connection.raw("SET", "again", "x"), b"+OK\r\n", "and writes are accepted")
    server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--megabytes", type=int, default=48, help="size of the disk (default: %(default)s)")
    parser.add_argument("--option", action="append", default=["--max-log-size", "4mb"],
                        help="passed on to the server (default: small log segments)")
    parser.add_argument("--deadline", type=int, default=120, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    disk = SmallDisk(arguments.megabytes)
    if disk.problem is not None:
        report.skip("full disk", f"cannot mount a tmpfs here (uid {os.getuid()}): {disk.problem}")
        sys.exit(report.finish())
    try:
        run(disk, arguments, report)
    finally:
        servers.kill_all()
        disk.unmount()
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
