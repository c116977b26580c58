#!/usr/bin/python3
"""Data several times larger than maxmemory: resident set, latency through checkpoints, exact counts, restart.

Loads the keys, reads and writes them at a fixed rate (open loop, zipfian) while checkpoints run, compares resident
memory, DBSIZE and a whole SCAN with what must be, then kills the server with -9 and starts it again.

    bench/larger_than_memory.py               # 4 GB in 4 KB values under 512mb: some minutes, 10 GB of disk
    bench/larger_than_memory.py --short       # 256 MB under 32mb
    bench/larger_than_memory.py --log-only    # instead: restart from 1 GB of log, values of 4096 and of 128 bytes
"""

import argparse
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lib import servers, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.watch import megabytes  # noqa: E402

MB = 1 << 20
RESIDENT_SHARE_MAX = 1.2
RATE_SHARE_MIN = 0.98
RESTART_SECONDS_MAX = {4096: 2.0, 128: 10.0}  # by bytes of a value; 10 s is the replay-time target
START_SECONDS = 600
# Live settings that keep a server from making checkpoints of its own; one that does not know them makes none.
RARE_CHECKPOINTS = {"checkpoint-log-min": 1 << 40, "checkpoint-replay-time": 1_000_000_000}


def start(server):
    """Starts it; returns the seconds until it answered PING."""
    begin = time.monotonic()
    server.start(START_SECONDS)
    with server.connect() as connection:
        while connection.raw("PING") != b"+PONG\r\n":
            time.sleep(0.005)
    return time.monotonic() - begin


def restart(server, keys, value_bytes, report, what):
    """kill -9, start, and how long until PING and DBSIZE are right."""
    server.kill()
    begin = time.monotonic()
    start(server)
    with server.connect(timeout=START_SECONDS) as connection:
        size = connection.call("DBSIZE")
    seconds = time.monotonic() - begin
    cpu = server.cpu_seconds()
    report.equal(size, keys, f"{what}: DBSIZE is exact after kill -9")
    bound = RESTART_SECONDS_MAX.get(value_bytes)
    report.check(bound is None or seconds <= bound, f"{what}: ready {seconds:.2f} s after kill -9 ({cpu:.2f} s of CPU)",
                 f"the bound is {bound} s")


def load(server, keys, value_bytes, report, what):
    figures = watch.OpenLoop(server.port, "--load", "--keys", keys, "--value-bytes", value_bytes, "--connections", 20,
                             "--wait", 120).wait()
    return report.check(figures["errors"] == 0 and figures["unanswered"] == 0 and figures["answered"] == keys,
                        f"{what}: {keys} keys of {value_bytes} bytes ({megabytes(keys * value_bytes)}) loaded in "
                        f"{figures['seconds']:.1f} s",
                        f"{figures['errors']} errors, {figures['unanswered']} unanswered; {figures['first_error']}")


def scan_all(connection, keys, pause=0.0):
    """One whole iteration. Returns (distinct keys of ours, replies of ours, others)."""
    seen, found, foreign, cursor = bytearray(keys), 0, 0, b"0"
    while True:
        cursor, names = connection.call("SCAN", cursor, "COUNT", 1000)
        for name in names:
            number = int(name[4:]) if name[:4] == b"key:" and name[4:].isdigit() else keys
            if number < keys:
                seen[number] = 1
                found += 1
            else:
                foreign += 1
        if cursor == b"0":
            return sum(seen), found, foreign
        if pause:
            time.sleep(pause)


class Observer:
    """Looks at DBSIZE all the time and goes through SCAN again and again while the load only overwrites keys."""

    def __init__(self, server, keys):
        self.sizes, self.scans = set(), []
        self._server, self._keys = server, keys
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._count, self._scan)]
        for thread in self._threads:
            thread.start()

    def _count(self):
        with self._server.connect(timeout=120) as connection:
            while not self._stopped.wait(0.1):
                self.sizes.add(connection.call("DBSIZE"))

    def _scan(self):
        with self._server.connect(timeout=120) as connection:
            while not self._stopped.wait(1):
                self.scans.append(scan_all(connection, self._keys, pause=0.002))

    def stop(self):
        self._stopped.set()
        for thread in self._threads:
            thread.join()


def check_whole_scans(scans, keys, report, what):
    """Each iteration must have returned every key, and none that nobody wrote."""
    worst = min(scans, default=(0, 0, 0))
    report.check(scans and all(distinct == keys and foreign == 0 for distinct, _, foreign in scans),
                 f"{what}: SCAN returned each of {keys} keys, at most {max((s[1] - s[0] for s in scans), default=0)} of them "
                 f"again, in each of {len(scans)} whole iterations",
                 f"at worst {worst[0]} distinct, {worst[2]} that nobody wrote")


def run_at_rate(server, arguments, keys, versions, seconds, checkpoints, shows):
    """Reads and writes at the fixed rate, asking for checkpoints. Returns the figures, and how many succeeded and failed."""
    run = watch.OpenLoop(server.port, "--keys", keys, "--value-bytes", arguments.value_bytes, "--rate", arguments.rate,
                         "--seconds", seconds, "--reads", arguments.reads, "--theta", arguments.theta,
                         "--connections", arguments.connections, "--verify", "--versions", versions, "--wait", 60,
                         *(["--each-second"] if shows else []), shows=shows)
    succeeded = failed = 0
    pause = seconds / (checkpoints + 1)
    next_one = time.monotonic() + pause
    with server.connect(timeout=120) as connection:
        while run.is_running():
            if succeeded + failed < checkpoints and time.monotonic() >= next_one:
                done = watch.checkpoint(connection)
                succeeded, failed = succeeded + done, failed + (not done)
                next_one += pause
            time.sleep(0.02)
    return run.wait(), succeeded, failed


def check_replies(figures, report, what):
    report.check(figures["errors"] == 0 and figures["unanswered"] == 0,
                 f"{what}: {figures['requests']} requests, each answered",
                 f"{figures['errors']} errors, {figures['unanswered']} unanswered; {figures['first_error']}")
    report.check(figures["wrong"] == 0 and figures["misses"] == 0, f"{what}: {figures['reads']} reads found what they must",
                 f"{figures['wrong']} wrong, {figures['misses']} found nothing; {figures['first_wrong']}")


def check_latency(server, arguments, keys, versions, report):
    """The fixed rate through checkpoints, and nothing else on the machine if that can be had."""
    with server.connect(timeout=120) as connection:
        before = watch.info(connection)
        figures, succeeded, failed = run_at_rate(server, arguments, keys, versions, arguments.seconds, arguments.checkpoints,
                                                 arguments.each_second)
        after = watch.info(connection)
    check_replies(figures, report, "at the rate")
    report.check(figures["rate"] >= RATE_SHARE_MIN * arguments.rate,
                 f"rate kept: {figures['rate']:.0f}/s of {arguments.rate:.0f}/s; {watch.show_latency(figures)}")
    print(f"     the generator took {figures['cpu_share']:.2f} of a processor and was late by at most "
          f"{figures['late_max_ms']:.1f} ms (p99.9 {figures['late_p999_ms']:.1f})")
    for name, bound in (("p999_ms", arguments.p999_ms), ("max_ms", arguments.max_ms)):
        if bound is not None:
            report.check(figures[name] <= bound, f"{name} {figures[name]:.1f} is within {bound}")
    report.check(failed == 0 and succeeded > 0, f"{succeeded} checkpoints under load, all succeeded", f"{failed} failed")
    for name in (watch.COMPLETED, watch.LOADS, watch.EVICTIONS):
        if name in after:
            print(f"     {name}: {after[name] - before.get(name, 0)} during the load")


def check_counts_under_load(server, arguments, keys, versions, report):
    """The same for a third of the time, DBSIZE and SCAN going on meanwhile; they would disturb the latency above."""
    observer = Observer(server, keys)
    figures, _, failed = run_at_rate(server, arguments, keys, versions, arguments.seconds / 3, 2, False)
    observer.stop()
    check_replies(figures, report, "with SCAN beside it")
    report.check(failed == 0, "with SCAN beside it: each checkpoint succeeded", f"{failed} failed")
    report.equal(observer.sizes, {keys}, "DBSIZE is exact all the time")
    check_whole_scans(observer.scans, keys, report, "under load")


def check_larger_than_memory(arguments, report):
    keys = arguments.data_mb * MB // arguments.value_bytes
    limit = arguments.memory_mb * MB
    server = servers.diskdb(arguments.binary, arguments.folder, "--maxmemory", f"{arguments.memory_mb}mb", *arguments.option)
    start(server)
    memory = watch.Memory(server)
    if not load(server, keys, arguments.value_bytes, report, "larger than memory"):
        return
    with server.connect(timeout=120) as connection:
        report.check(watch.checkpoint(connection), "a checkpoint after the load succeeds")
        begin = time.monotonic()
        report.check(watch.wait_until_idle(server), f"the server comes to rest ({time.monotonic() - begin:.0f} s)")
        if watch.COLD in watch.info(connection):
            fields = watch.info(connection)
            report.check(fields[watch.COLD] > 0, f"most keys are cold: {fields[watch.COLD]} of {keys}")
        else:
            report.skip("keys are cold", f"INFO has no field {watch.COLD}")
        versions = servers.scratch_folder() / "versions"
        check_latency(server, arguments, keys, versions, report)
        check_counts_under_load(server, arguments, keys, versions, report)
        report.equal(connection.call("DBSIZE"), keys, "DBSIZE is exact after the load")
        check_whole_scans([scan_all(connection, keys)], keys, report, "at rest")
        fields = watch.info(connection)
    memory.stop()
    peak = memory.peak
    report.check(peak["VmRSS"] <= RESIDENT_SHARE_MAX * limit,
                 f"resident at most {megabytes(peak['VmRSS'])}, {peak['VmRSS'] / limit:.2f} of maxmemory {megabytes(limit)}",
                 f"the bound is {RESIDENT_SHARE_MAX}")
    print(f"     RssAnon at most {megabytes(peak['RssAnon'])}, RssFile {megabytes(peak['RssFile'])}; folder at most "
          f"{megabytes(memory.folder_peak)}, now {megabytes(watch.folder_bytes(server.folder))}; log "
          f"{megabytes(fields.get(watch.LOG_BYTES, 0))}")
    restart(server, keys, arguments.value_bytes, report, "larger than memory")
    figures = watch.OpenLoop(server.port, "--read-all", "--keys", keys, "--value-bytes", arguments.value_bytes, "--verify",
                             "--versions", versions, "--connections", 20, "--wait", 120).wait()
    report.check(figures["wrong"] == figures["misses"] == figures["errors"] == figures["unanswered"] == 0,
                 f"each of {keys} values is the last one acknowledged, whole; {figures['rate']:.0f} read a second",
                 f"{figures['wrong']} wrong, {figures['misses']} gone, {figures['errors']} errors; "
                 f"{figures['first_wrong']} {figures['first_error']}")
    server.kill()


def check_log_only(arguments, report):
    """How long a start takes with a log of a given size and no checkpoint to shorten it."""
    for value_bytes in arguments.log_values:
        what = f"{arguments.log_mb} MB of log, values of {value_bytes} bytes"
        keys = arguments.log_mb * MB // (value_bytes + 60)
        server = servers.diskdb(arguments.binary, None, "--maxmemory", f"{8 * arguments.log_mb}mb", *arguments.option)
        start(server)
        with server.connect() as connection:
            for name, value in RARE_CHECKPOINTS.items():
                connection.raw("CONFIG", "SET", name, value)
        if not load(server, keys, value_bytes, report, what):
            continue
        with server.connect() as connection:
            fields = watch.info(connection)
        if watch.COMPLETED in fields:
            report.equal(fields[watch.COMPLETED], 0, f"{what}: no checkpoint shortened the log")
        print(f"     segments of the log: {megabytes(fields.get(watch.LOG_BYTES, 0))}")
        restart(server, keys, value_bytes, report, what)
        server.kill()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--short", action="store_true", help="256 MB of data under 32mb, 10 seconds; a log of 64 MB")
    parser.add_argument("--log-only", action="store_true", help="only the restart from a log without checkpoints")
    parser.add_argument("--data-mb", type=int, help="size of all values together (default: 4096)")
    parser.add_argument("--memory-mb", type=int, help="maxmemory (default: 512)")
    parser.add_argument("--value-bytes", type=int, default=4096, help="size of one (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=5000, help="requests a second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="of load at that rate (default: 60)")
    parser.add_argument("--reads", type=float, default=0.8, help="share of GET, the rest are SET (default: %(default)s)")
    parser.add_argument("--theta", type=float, default=0.99, help="of the zipfian distribution (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--checkpoints", type=int, default=5, help="asked for during the load (default: %(default)s)")
    parser.add_argument("--p999-ms", type=float, help="bound of the 99.9th percentile (default: only stated)")
    parser.add_argument("--max-ms", type=float, help="bound of the longest latency (default: only stated)")
    parser.add_argument("--each-second", action="store_true", help="show the load second by second")
    parser.add_argument("--log-mb", type=int, help="--log-only: size of the log (default: 1024)")
    parser.add_argument("--log-values", type=int, nargs="+", default=[4096, 128], help="--log-only: sizes of values")
    parser.add_argument("--folder", help="of the data (default: a temporary one)")
    parser.add_argument("--option", action="append", default=[], help="passed on to the server, as --option=--threads --option=4")
    parser.add_argument("--deadline", type=int, default=3600, help="seconds until it gives up (default: %(default)s)")
    arguments = parser.parse_args()
    for name, whole, short in (("data_mb", 4096, 256), ("memory_mb", 512, 32), ("seconds", 60, 10), ("log_mb", 1024, 64)):
        if getattr(arguments, name) is None:
            setattr(arguments, name, short if arguments.short else whole)
    return arguments


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    report = Report(verbose=True)
    if arguments.log_only:
        check_log_only(arguments, report)
    else:
        check_larger_than_memory(arguments, report)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
