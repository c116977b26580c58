#!/usr/bin/python3
"""maxmemory: the memory engine refuses with -OOM what would grow, or deletes keys if its policy says so; the disk engine
takes everything and moves values out of memory. Both keep serving and stay near the limit.

And what the memory engine is: the same server without a disk; it leaves no file and forgets everything.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers  # noqa: E402
from lib.report import Report  # noqa: E402

LIMIT = 64 * 1024 * 1024
VALUE = b"v" * 1000
OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"


def resident_bytes(server):
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    return pages * 4096


def fill(connection):
    """Writes keys until one is refused; returns how many were stored, and the refusal."""
    for i in range(2 * LIMIT // len(VALUE)):
        reply = connection.raw(b"SET", b"key:%d" % i, VALUE)
        if reply != b"+OK\r\n":
            return i, reply
    return 2 * LIMIT // len(VALUE), b""


def check_limit(report, binary):
    engine = "memory"
    server = servers.diskdb(binary, None, "--engine", engine, "--maxmemory", str(LIMIT))
    server.start()
    connection = server.connect()
    count, refusal = fill(connection)
    report.equal(refusal, OOM, f"{engine}: a write beyond maxmemory is refused")
    report.check(count > LIMIT // 3 // len(VALUE), f"{engine}: memory is put to use", f"{count} values stored")
    report.check(resident_bytes(server) < 2 * LIMIT, f"{engine}: the process stays near its limit",
                 f"{resident_bytes(server)} bytes resident")
    report.equal(connection.raw(b"SET", b"new", b"x"), OOM, f"{engine}: a small write is refused too")
    report.equal(connection.raw(b"EXISTS", b"new"), b":0\r\n", f"{engine}: what was refused left nothing")
    report.check(connection.raw(b"GET", b"key:0") == b"$%d\r\n%s\r\n" % (len(VALUE), VALUE),
                 f"{engine}: reads go on")
    report.equal(connection.raw(b"DBSIZE"), b":%d\r\n" % count, f"{engine}: no key was dropped to make room")
    report.equal(connection.raw(b"DEL", b"key:0"), b":1\r\n", f"{engine}: what frees memory is allowed")
    report.equal(connection.raw(b"CONFIG", b"SET", b"maxmemory", b"%d" % (2 * LIMIT)), b"+OK\r\n",
                 f"{engine}: the limit can be raised")
    report.equal(connection.raw(b"SET", b"new", b"x"), b"+OK\r\n", f"{engine}: with room writes go on")
    report.equal(connection.raw(b"CONFIG", b"SET", b"maxmemory", b"%d" % LIMIT), b"+OK\r\n", f"{engine}: and lowered")
    report.equal(connection.raw(b"FLUSHALL"), b"+OK\r\n", f"{engine}: FLUSHALL is allowed")
    again, _ = fill(connection)
    report.check(again > count * 9 // 10, f"{engine}: memory that was freed can be used again",
                 f"{count} values at first, {again} after FLUSHALL")
    server.kill()


def check_disk_engine(report, binary):
    server = servers.diskdb(binary, None, "--engine", "disk", "--maxmemory", str(LIMIT))
    server.start()
    connection = server.connect()
    total = 4 * LIMIT // len(VALUE)
    refusal = b""
    for i in range(total):
        reply = connection.raw(b"SET", b"key:%d" % i, b"%d:" % i + VALUE)
        if reply != b"+OK\r\n":
            refusal = reply
            break
    report.equal(refusal, b"", "disk: no write is refused")
    report.check(resident_bytes(server) < LIMIT * 3 // 2, "disk: the process stays near its limit",
                 f"{resident_bytes(server)} bytes resident")
    report.equal(connection.raw(b"DBSIZE"), b":%d\r\n" % total, "disk: no key was dropped to make room")
    wrong = 0
    for i in range(0, total, 37):
        value = b"%d:" % i + VALUE
        wrong += connection.raw(b"GET", b"key:%d" % i) != b"$%d\r\n%s\r\n" % (len(value), value)
    report.equal(wrong, 0, "disk: what has left memory comes back")
    server.kill()


def check_policy(report, binary):
    server = servers.diskdb(binary, None, "--engine", "memory", "--maxmemory", str(LIMIT),
                            "--maxmemory-policy", "allkeys-lru")
    server.start()
    connection = server.connect()
    total = 2 * LIMIT // len(VALUE)
    count, refusal = fill(connection)
    report.equal((count, refusal), (total, b""), "memory: under allkeys-lru no write is refused")
    report.check(resident_bytes(server) < LIMIT * 3 // 2, "memory: under allkeys-lru it stays near its limit",
                 f"{resident_bytes(server)} bytes resident")
    left = int(connection.raw(b"DBSIZE")[1:])
    report.check(LIMIT // 2 // len(VALUE) < left < LIMIT // len(VALUE), "memory: older keys were deleted",
                 f"{left} of {total} left")
    report.equal(connection.raw(b"EXISTS", b"key:%d" % (total - 1)), b":1\r\n", "memory: the last key is there")
    server.kill()


def check_memory_engine(report, binary):
    server = servers.diskdb(binary, None, "--engine", "memory")
    server.start()
    connection = server.connect()
    report.equal(connection.raw(b"SET", b"a", b"b"), b"+OK\r\n", "memory: it stores")
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    report.equal(files, [], "memory: it leaves no file")
    server.kill()
    server.start()
    report.equal(server.connect().raw(b"GET", b"a"), b"$-1\r\n", "memory: a restart is empty")
    server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    servers.add_binary_argument(parser)
    parser.add_argument("--deadline", type=int, default=180, help="seconds until the test gives up")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    check_limit(report, arguments.binary)
    check_policy(report, arguments.binary)
    check_disk_engine(report, arguments.binary)
    check_memory_engine(report, arguments.binary)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
