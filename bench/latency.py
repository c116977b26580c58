#!/usr/bin/python3
"""Latency at half of capacity, open loop, while the server does something large: checkpoints, growth of its tables, expiry
of a million keys at once, FLUSHALL of ten million.

First the capacity is measured (one request a round trip), then a load at half of it goes on through each event. Other work of
the machine shows in the figures too, and only ever makes them worse: each event is measured several times, in turns with the
others, and what counts is the best of its runs, beside the best of as many runs without an event. A step that the server
causes shows in all of them.

    bench/latency.py                     # some minutes
    bench/latency.py --short
    bench/latency.py --binary redis      # the same for Redis, to compare
"""

import argparse
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lib import servers, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.resp import encode  # noqa: E402

STEP_MS_MAX = 5.0
KEYS = 100_000  # of the load
SHARE_OF_CAPACITY = 0.5


# Of each event what is done before the load, and what meanwhile, with what that returned.


def nothing(_connection, _arguments, _prepared=None):
    pass


def checkpoints(connection, _arguments, _prepared):
    for _ in range(2):
        watch.checkpoint(connection)


def prepare_growth(_connection, arguments):
    """The commands: made while the load goes on, they would take a processor from it."""
    return [b"".join(encode(["SET", f"new:{first + i}", "v" * 32]) for i in range(100)) + encode(["PING"])
            for first in range(0, arguments.events, 100)]


def growth(connection, arguments, blocks):
    """New keys, evenly over the time: tables of every shard grow by and by."""
    begin = time.monotonic()
    for number, block in enumerate(blocks):
        connection.send_raw(block)
        connection.receive_until(b"+PONG\r\n")
        time.sleep(max(0.0, begin + number * arguments.seconds * 0.8 / len(blocks) - time.monotonic()))


def prepare_expiry(connection, arguments):
    """Keys that all expire two seconds from now or later, at one instant."""
    seconds = 2 + arguments.events // 100_000
    at = int((time.time() + seconds) * 1000)
    for first in range(0, arguments.events, 1000):
        commands = [encode(["SET", f"brief:{first + i}", "v" * 32, "PXAT", at]) for i in range(1000)]
        connection.send_raw(b"".join(commands))
        for _ in commands:
            connection.receive()
    time.sleep(max(0.0, at / 1000 - time.time() - 1))


def prepare_flush(connection, arguments):
    """Keys in another database than the load's (which FLUSHALL empties too)."""
    watch.OpenLoop(connection.port, "--load", "--keys", arguments.events * 10, "--value-bytes", 32, "--connections", 20,
                   "--wait", 120).wait()


def flush(connection, _arguments, _prepared):
    time.sleep(1)
    connection.call("FLUSHALL")


EVENTS = {
    "nothing": (nothing, nothing),
    "checkpoints": (nothing, checkpoints),
    "growth": (prepare_growth, growth),
    "expiry": (prepare_expiry, nothing),
    "FLUSHALL": (prepare_flush, flush),
}


def load_options(arguments):
    return ["--keys", KEYS, "--value-bytes", 128, "--reads", 0.5, "--connections", arguments.connections, "--wait", 60]


def capacity(server, arguments):
    """Requests a second, one a round trip, that the generator and the server together manage."""
    run = watch.OpenLoop(server.port, "--rate", 1_000_000, "--seconds", 3, *load_options(arguments))
    return run.wait()["rate"]


def run_through(server, rate, event, arguments):
    """The figures of a load at `rate` during which the event happens."""
    prepare, act = EVENTS[event]
    with server.connect(timeout=300) as connection:
        prepared = prepare(connection, arguments)
        run = watch.OpenLoop(server.port, "--rate", int(rate), "--seconds", arguments.seconds, *load_options(arguments))
        actor = threading.Thread(target=act, args=(connection, arguments, prepared))
        actor.start()
        figures = run.wait()
        actor.join()
        if figures["errors"] or figures["unanswered"]:
            raise SystemExit(f"{event}: {figures['errors']} errors, {figures['unanswered']} unanswered")
        connection.call("FLUSHALL")
    watch.wait_until_idle(server)
    return figures


def best(runs, name):
    return min(run[name] for run in runs)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--short", action="store_true", help="fewer keys and runs")
    parser.add_argument("--only", action="append", choices=EVENTS, help="this event (may be repeated)")
    parser.add_argument("--runs", type=int, help="of each event (default: 5)")
    parser.add_argument("--connections", type=int, default=50, help="of the load (default: %(default)s)")
    parser.add_argument("--option", action="append", default=[], help="passed on to the server")
    parser.add_argument("--deadline", type=int, default=1800, help="seconds until it gives up (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.events = 100_000 if arguments.short else 1_000_000
    arguments.seconds = 5 if arguments.short else 15
    arguments.runs = arguments.runs or (1 if arguments.short else 5)
    return arguments


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    report = Report(verbose=True)
    server = servers.diskdb(arguments.binary, None, *arguments.option)
    server.start()
    most = capacity(server, arguments)
    rate = most * SHARE_OF_CAPACITY
    print(f"     capacity {most:.0f} requests a second, load {rate:.0f}")
    runs_of = {event: [] for event in EVENTS if not arguments.only or event in ("nothing", *arguments.only)}
    for _ in range(arguments.runs):
        for event, runs in runs_of.items():
            run = run_through(server, rate, event, arguments)
            runs.append(run)
            print(f"     {event}: {watch.show_latency(run)}; the generator late by {run['late_max_ms']:.1f} ms at most",
                  flush=True)
    for event, runs in runs_of.items():
        step = best(runs, "max_ms") - best(runs_of["nothing"], "max_ms")
        report.check(step <= STEP_MS_MAX, f"{event}: p99.9 {best(runs, 'p999_ms'):.2f} ms, max {best(runs, 'max_ms'):.2f} ms",
                     f"{step:.1f} ms above a load without events, more than {STEP_MS_MAX}")
    server.kill()
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
