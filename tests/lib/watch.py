"""What can be seen of a server from outside: fields of INFO, checkpoints, resident memory, bytes on disk.

A field that a server does not have reads as None, so that scripts can run against servers without checkpoints.
"""

import json
import os
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .build import compiled
from .servers import ROOT

IN_PROGRESS = "rdb_bgsave_in_progress"
LAST_STATUS = "rdb_last_bgsave_status"
COMPLETED = "checkpoints_completed"
COLD = "cold_keys"          # a server that has this field has a disk tier
LOADS = "tier_loads"
EVICTIONS = "tier_evictions"
LOG_BYTES = "log_file_bytes"
BLOCK_CACHE = "store_block_cache_bytes"
PENDING_COMPACTION = "store_pending_compaction_bytes"
REDIS_REWRITES = "aof_rewrite_in_progress"


def info(connection):
    """All fields of INFO: numbers as int, other texts as str."""
    fields = {}
    for line in connection.call("INFO", "everything").decode(errors="replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields[name] = int(value) if value.lstrip("-").isdigit() else value
    return fields


def wait_for_checkpoint(connection, seconds=300):
    """Waits until no checkpoint (Redis: no snapshot, no rewriting of the log) runs. False if it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fields = info(connection)
        if not fields.get(IN_PROGRESS) and not fields.get(REDIS_REWRITES):
            return True
        time.sleep(0.02)
    return False


def checkpoint(connection, seconds=300):
    """BGSAVE, and waits until it is done. Returns whether it succeeded."""
    end = time.monotonic() + seconds
    while connection.raw("BGSAVE").startswith(b"-"):  # one that runs already saw an older state
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return wait_for_checkpoint(connection, end - time.monotonic()) and info(connection).get(LAST_STATUS, "ok") == "ok"


def wait_until_compacted(connection, seconds=120):
    """Waits until no compaction is due. False if some is after that time."""
    end = time.monotonic() + seconds
    while info(connection).get(PENDING_COMPACTION):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def used_memory(fields):
    """What is in use beside the store's cache, which stays as full as it may be."""
    return fields["used_memory"] - fields.get(BLOCK_CACHE, 0)


def settled_resident_bytes(server):
    """What the process occupies, once that has stopped falling: allocators give pages back by and by."""
    least = None
    for _ in range(60):
        pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
        if least is not None and pages * 4096 > least * 0.998:
            break
        least = pages * 4096
        time.sleep(2)
    return min(least, pages * 4096)


def wait_until_idle(server, seconds=120, share=0.05):
    """Waits until the process takes hardly any time (compaction is over). False if it does not come to rest."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = server.cpu_seconds()
        time.sleep(0.5)
        if server.cpu_seconds() - before <= 0.5 * share:
            return True
    return False


def folder_bytes(folder):
    """What the files below a folder take on disk."""
    total = 0
    for path in Path(folder).rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # it went meanwhile
        total += status.st_blocks * 512
    return total


def exact_cpu_seconds(server):
    """As server.cpu_seconds(), not in hundredths of a second, of threads that live."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{server.pid}/task").glob("*/schedstat")) / 1e9


def children_cpu_seconds(server):
    """User and system time of the children that the process has waited for."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


class Memory:
    """Samples the resident memory of a server (bytes), and at times its folder, until it is stopped."""

    def __init__(self, server, interval=0.1, folder_every=20):
        self.server = server
        self.peak = {"VmRSS": 0, "RssAnon": 0, "RssFile": 0}
        self.folder_peak = 0
        self._interval = interval
        self._folder_every = folder_every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self):
        turn = 0
        while not self._stopped.wait(self._interval):
            try:
                text = Path(f"/proc/{self.server.pid}/status").read_text()
            except OSError:
                continue  # between two starts
            for name, kilobytes in re.findall(r"^(VmRSS|RssAnon|RssFile):\s+(\d+) kB", text, re.MULTILINE):
                self.peak[name] = max(self.peak[name], int(kilobytes) * 1024)
            if turn % self._folder_every == 0:
                self.folder_peak = max(self.folder_peak, folder_bytes(self.server.folder))
            turn += 1

    def stop(self):
        self._stopped.set()
        self._thread.join()


class OpenLoop:
    """A run of bench/open_loop.cc; `wait` returns its figures."""

    def __init__(self, port, *options, shows=False):
        program = compiled(ROOT / "bench" / "open_loop.cc", "-lfmt")
        self._figures = tempfile.NamedTemporaryFile(suffix=".json")
        command = [str(program), "--port", str(port), "--json", self._figures.name, *map(str, options)]
        self.process = subprocess.Popen(command, stdout=None if shows else subprocess.PIPE, text=True)

    def is_running(self):
        return self.process.poll() is None

    def wait(self, seconds=3600):
        output, _ = self.process.communicate(timeout=seconds)
        text = Path(self._figures.name).read_text()
        if not text:
            raise RuntimeError(f"open_loop ended with {self.process.returncode}: {output}")
        return json.loads(text)


def show_latency(figures):
    return (f"p50 {figures['p50_ms']:.3f}, p99 {figures['p99_ms']:.3f}, p99.9 {figures['p999_ms']:.3f}, "
            f"p99.99 {figures['p9999_ms']:.3f}, max {figures['max_ms']:.3f} ms")


def megabytes(count):
    return f"{count / 1e6:.0f} MB"
