#!/usr/bin/python3
"""Millions of keys that live for a moment: afterwards neither memory nor disk nor DBSIZE may know of them.

SET and soon DEL of each key (`del`), or SET with 50 ms to live (`expire`), in pipelines, while checkpoints run.

    bench/queue_keys.py            # 50 M keys of each kind
    bench/queue_keys.py --short    # 1 M
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lib import servers, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.watch import megabytes  # noqa: E402

MB = 1 << 20
SEGMENT_BYTES = 64 * MB
LOG_SEGMENTS_MAX = 8  # four kept to be used again, the spare, the one in use, and what the last checkpoint left


def wait_until_empty(connection, seconds):
    """Until nothing is left that has yet to expire. Returns the seconds it took, or None."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if connection.call("DBSIZE") == 0:
            return time.monotonic() - begin
        time.sleep(0.05)
    return None


def wait_for_memory(connection, bound):
    """What is in use once it is at most `bound`, or what it is after some seconds: freeing may lag behind."""
    for _ in range(100):
        used = watch.used_memory(watch.info(connection))
        if used <= bound:
            break
        time.sleep(0.1)
    return used


def check_queue(arguments, kind, report):
    server = servers.diskdb(arguments.binary, arguments.folder and Path(arguments.folder) / kind, "--maxmemory",
                            f"{arguments.memory_mb}mb", *arguments.option)
    server.start()
    memory = watch.Memory(server)
    with server.connect(timeout=120) as connection:
        connection.call("SET", "stays", "x")
        report.check(watch.checkpoint(connection), f"{kind}: a checkpoint of the empty server succeeds")
        connection.call("DEL", "stays")
        used_before, disk_before = watch.used_memory(watch.info(connection)), watch.folder_bytes(server.folder)
        completed_before = watch.info(connection).get(watch.COMPLETED, 0)
        run = watch.OpenLoop(server.port, "--queue", kind, "--keys", arguments.keys, "--value-bytes", arguments.value_bytes,
                             "--window", arguments.window, "--connections", arguments.connections, "--depth", 100,
                             "--wait", 60)
        failed, next_one = 0, time.monotonic() + arguments.checkpoint_seconds
        while run.is_running():
            if time.monotonic() >= next_one:
                failed += not watch.checkpoint(connection)
                next_one = time.monotonic() + arguments.checkpoint_seconds
            time.sleep(0.02)
        figures = run.wait()
        report.check(figures["errors"] == figures["unanswered"] == figures["misses"] == failed == 0,
                     f"{kind}: {arguments.keys} keys passed through in {figures['seconds']:.1f} s, {figures['rate']:.0f} "
                     f"commands a second", f"{figures['errors']} errors, {figures['unanswered']} unanswered, "
                     f"{figures['misses']} gone before their DEL, {failed} checkpoints failed; {figures['first_error']}")
        seconds = wait_until_empty(connection, 60)
        report.check(seconds is not None, f"{kind}: DBSIZE is 0" + ("" if not seconds else f" after {seconds:.1f} s"),
                     f"{connection.call('DBSIZE')} keys are left")
        report.check(watch.checkpoint(connection), f"{kind}: the last checkpoint succeeds")
        watch.wait_until_compacted(connection)
        watch.wait_until_idle(server)
        bound = used_before + arguments.memory_left_mb * MB
        used = wait_for_memory(connection, bound)
        report.check(used <= bound, f"{kind}: used memory went from {megabytes(used_before)} to {megabytes(used)}",
                     f"at most {megabytes(bound)}")
        fields = watch.info(connection)
        if watch.COMPLETED in fields:
            print(f"     {fields[watch.COMPLETED] - completed_before} checkpoints")
    memory.stop()
    store, log = (watch.folder_bytes(server.folder / part) for part in ("store", "log"))
    report.check(store <= arguments.disk_left_mb * MB,
                 f"{kind}: {megabytes(store)} of sorted files are left; the data folder had {megabytes(disk_before)}, "
                 f"at most {megabytes(memory.folder_peak)} meanwhile", f"at most {arguments.disk_left_mb} MiB")
    report.check(log <= LOG_SEGMENTS_MAX * SEGMENT_BYTES,
                 f"{kind}: {megabytes(log)} of log are left, for segments are used again", f"at most {LOG_SEGMENTS_MAX} segments")
    print(f"     resident at most {megabytes(memory.peak['VmRSS'])}")
    server.kill()
    seconds = server.start(600)
    with server.connect(timeout=120) as connection:
        report.equal(connection.call("DBSIZE"), 0, f"{kind}: nothing is back {seconds:.2f} s after kill -9")
    server.kill()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--short", action="store_true", help="1 M keys")
    parser.add_argument("--keys", type=int, help="of each kind (default: 50 million)")
    parser.add_argument("--kind", action="append", choices=("del", "expire"), help="default: both, one after the other")
    parser.add_argument("--value-bytes", type=int, default=32, help="at least 32 (default: %(default)s)")
    parser.add_argument("--window", type=int, default=100, help="keys that live at a time, by connection (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--memory-mb", type=int, default=512, help="maxmemory (default: %(default)s)")
    parser.add_argument("--checkpoint-seconds", type=float, default=5, help="between BGSAVEs (default: %(default)s)")
    parser.add_argument("--memory-left-mb", type=int, default=32, help="used_memory may grow by (default: %(default)s)")
    parser.add_argument("--disk-left-mb", type=int, default=128, help="the sorted files may end with (default: %(default)s)")
    parser.add_argument("--folder", help="of the data (default: a temporary one)")
    parser.add_argument("--option", action="append", default=[], help="passed on to the server, as --option=--threads --option=4")
    parser.add_argument("--deadline", type=int, default=3600, help="seconds until it gives up (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.keys is None:
        arguments.keys = 1_000_000 if arguments.short else 50_000_000
    return arguments


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    report = Report(verbose=True)
    for kind in arguments.kind or ("del", "expire"):
        check_queue(arguments, kind, report)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
