"""Starts and stops the servers of a test: DiskDB, and Debian's Redis as its oracle.

Every server runs on a free loopback port with a folder of its own, is waited for until it says that it is ready,
and is killed by its process id when the test ends, however it ends.
"""

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .resp import Connection

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_BINARY = ROOT / "build" / "release" / "diskdb"
REDIS_TOOL = "/usr/bin/redis-check-rdb"  # package redis-tools: one binary that acts by the name it is called by
READY = b"Ready to accept connections"
START_SECONDS = 60.0

_running = set()
_folders = set()


def kill_all():
    """kill -9 for every server that this test started and that still runs."""
    for process in list(_running):
        process.kill()
        process.wait()
        _running.discard(process)


def _end_everything():
    kill_all()
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


atexit.register(_end_everything)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no server outlives a killed test


def set_deadline(seconds):
    """Ends the test, and everything it started, when it hangs."""
    def give_up(*_):
        print(f"gave up: not finished after {seconds} s", flush=True)
        sys.exit(1)
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)


def scratch_folder(prefix="diskdb-test-"):
    """A temporary folder that goes when the test ends."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    _folders.add(folder)
    return folder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class StartFailed(Exception):
    """The server ended, or said nothing in time. `output` is all it printed, `code` its exit code (or None)."""

    def __init__(self, code, output):
        super().__init__(f"the server did not start (exit code {code}):\n{output[-2000:]}")
        self.code = code
        self.output = output


class Server:
    """One server process. `start` may be called again after it ended: same port, same folder."""

    def __init__(self, command, port, folder, log_path):
        self.command = command
        self.port = port
        self.folder = Path(folder)
        self.log_path = Path(log_path)
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def start(self, seconds=START_SECONDS):
        """Returns the seconds it took until the server was ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)
        _running.add(self.process)
        pause = 0.002
        while READY not in self.log_path.read_bytes():
            if self.process.poll() is not None:
                code = self.process.returncode
                self._forget()
                raise StartFailed(code, self.output())
            if time.monotonic() - begin > seconds:
                self.kill()
                raise StartFailed(None, self.output())
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        return time.monotonic() - begin

    def output(self):
        return self.log_path.read_text(errors="replace")

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._forget()

    def stop(self, seconds=30, skips_checkpoint=False):
        """Asks it to end (SIGTERM, or SHUTDOWN NOSAVE) and returns its exit code."""
        if skips_checkpoint:
            self.connect().send("SHUTDOWN", "NOSAVE")
        else:
            self.process.terminate()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._forget()
        return code

    def _forget(self):
        _running.discard(self.process)

    def connect(self, **options):
        return Connection(self.port, **options)

    def cpu_seconds(self):
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def redis_server_path():
    """Debian ships redis-server's code as redis-check-rdb too; called by the other name it serves."""
    link = scratch_folder("diskdb-oracle-") / "redis-server"
    link.symlink_to(REDIS_TOOL)
    return str(link)


def redis(folder=None, *options, persistent=False):
    """Debian's Redis, in memory only unless `persistent` (append-only file)."""
    folder = Path(folder) if folder else scratch_folder()
    port = free_port()
    command = [redis_server_path(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
               "--appendonly", "yes" if persistent else "no", "--enable-debug-command", "yes", *options]
    return Server(command, port, folder, scratch_folder() / "redis.log")


def diskdb(binary=None, folder=None, *options, fsync="everysec", inline_replies="resp"):
    """DiskDB. `binary` "redis" puts Redis with an append-only file in its place, to test the tests."""
    folder = Path(folder) if folder else scratch_folder()
    if str(binary) == "redis":
        return redis(folder, "--appendfsync", fsync, *options, persistent=True)
    port = free_port()
    command = [str(binary or DEFAULT_BINARY), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
               "--fsync", fsync, "--inline-replies", inline_replies, *options]
    return Server(command, port, folder, scratch_folder() / "diskdb.log")


def add_binary_argument(parser):
    parser.add_argument("--binary", default=os.environ.get("DISKDB_BINARY", str(DEFAULT_BINARY)),
                        help="the server to test (default: %(default)s, or $DISKDB_BINARY); "
                             "'redis' tests the test against Redis itself")
