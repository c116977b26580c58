#!/usr/bin/python3
"""Lists, sets, hashes and sorted sets beside Redis 7.0: what a command costs, what an element takes, how cost grows with
the number of elements, and what the death of a large value does to others.

  cpu         Server CPU per operation, 16 in a pipeline, append-only files synced every second: pairs A B A B, median of
              their ratios. Each command meets one value of a million elements and, where that is another matter, 10,000
              values of a hundred.
  memory      Growth of used and of resident memory for a million elements of 20 bytes (hashes: fields of 20 with values
              of 20), in one value and in 10,000. Redis runs in memory only, where it takes least. It grows from a server
              that has had a tenth of them and lost them again, so that buffers are not counted.
  complexity  CPU of operations that must cost O(log n) or less on values of 10^3, 10^5 and 10^7 elements (DiskDB alone).
  death       DEL, UNLINK and expiry of a value of ten million stored elements: how long they take, and what an open loop
              of other clients feels (DiskDB alone).

Other work of the machine only ever makes times worse. So a ratio above its bound is measured again, and the best of three
medians counts; growth is judged by the least of several rounds; death by the best of several runs, beside the best of
several without it, and likewise again. The median of all stands beside each.

    bench/compare_collections.py                # about an hour
    bench/compare_collections.py --short        # some minutes: fewer elements, kinds and rounds
    bench/compare_collections.py --only cpu --match ZADD --match LINDEX
"""

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lib import load, servers, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.resp import encode  # noqa: E402

SECTIONS = ("cpu", "memory", "complexity", "death")
KINDS = ("list", "set", "hash", "zset")
DEPTH = 16
ATTEMPTS = 3
EACH = 100              # elements of a small value
WIDTH = 36              # of the column of names

# ---- Filling: 100 elements of 20 bytes a command. Scores are instants in milliseconds; the long elements have 128 bytes.

ELEMENT = b"$20\r\nelement:%012d\r\n"
VALUE = b"$20\r\nvalue:%014d\r\n"
SCORE = b"$13\r\n17%011d\r\n"
LONG_ELEMENT = b"$128\r\nelement:%012d" + b"." * 108 + b"\r\n"
FORMS = {"list": (b"RPUSH", ELEMENT), "set": (b"SADD", ELEMENT), "hash": (b"HSET", ELEMENT + VALUE),
         "zset": (b"ZADD", SCORE + ELEMENT), "long list": (b"RPUSH", LONG_ELEMENT)}


def fill_commands(kind, key, numbers):
    """Adds elements of these numbers to a value, EACH a command."""
    word, form = FORMS[kind]
    per_element = form.count(b"%")
    for first in range(0, len(numbers), EACH):
        part = numbers[first:first + EACH]
        head = b"*%d\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (2 + len(part) * per_element, len(word), word, len(key), key)
        arguments = part if per_element == 1 else [n for number in part for n in (number, number)]
        yield head + (form * len(part)) % tuple(arguments)


def scattered(count, stride=1):
    """Multiples of `stride` in no order, the same on every run."""
    return random.Random(7).sample(range(0, count * stride, stride), count)


def fill_one(server, kind, key, count, stride=1):
    """One value: a list's elements in order, others in no order. Numbers are multiples of `stride`."""
    numbers = range(0, count * stride, stride) if kind.endswith("list") else scattered(count, stride)
    load.feed(server, fill_commands(kind, key.encode(), numbers))


def fill_many(server, kind, count):
    """`count` values of EACH elements: `kind`:%012d."""
    load.feed(server, (command for value in range(count)
                       for command in fill_commands(kind, b"%s:%012d" % (kind.encode(), value), scattered(EACH))))


# ---- CPU.

RANDOM = "__rand_int__"
ELEMENT_RANDOM = "element:" + RANDOM
VALUE_20 = "value:" + "0" * 14
SEARCHED = 100_000


class Load:
    """A command whose cost is compared. `target`: None if it is only stated. `span`: random numbers lie below it.
    `theirs`: as many operations are given to Redis, where it takes much longer."""

    def __init__(self, name, target, words, span=1, count=500_000, theirs=None):
        self.name, self.target, self.words, self.span, self.count, self.theirs = name, target, words.split(), span, count, theirs


def cpu_groups(most):
    """(what to fill, loads) in their order. Sets and hashes grow: of the numbers below the span every fourth is there."""
    values = most // EACH
    half = most // 2
    return [
        (lambda server: fill_one(server, "list", "list", most), [
            Load("LPUSH", 0.7, f"LPUSH list {ELEMENT_RANDOM}", most),
            Load("RPUSH", 0.7, f"RPUSH list {ELEMENT_RANDOM}", most),
            Load("LPOP", 0.7, "LPOP list")]),
        (lambda server: fill_one(server, "list", "list", most), [
            Load("LRANGE of 100", 0.7, "LRANGE list 0 99", count=100_000),
            Load("LRANGE of 600", 0.7, "LRANGE list 0 599", count=30_000),
            Load("LINDEX in the middle, 20 bytes", None, f"LINDEX list {half}", theirs=100_000),
            Load("LSET in the middle, 20 bytes", None, f"LSET list {half} {ELEMENT_RANDOM}", most, theirs=100_000)]),
        (lambda server: fill_one(server, "long list", "list", most), [
            Load("LINDEX in the middle", 0.05, f"LINDEX list {half}", theirs=20_000),
            Load("LSET in the middle", 0.05, f"LSET list {half} {ELEMENT_RANDOM}{'.' * 108}", most, theirs=20_000)]),
        (lambda server: fill_one(server, "list", "list", SEARCHED), [
            Load("LINSERT in the middle of 100,000", 0.8, f"LINSERT list BEFORE element:{SEARCHED // 2:012} other", count=2000),
            Load("LREM in the middle of 100,000", 0.8, "LREM list 1 other", count=2000)]),
        (lambda server: fill_one(server, "set", "set", most, 4), [
            Load("SISMEMBER", 0.7, f"SISMEMBER set {ELEMENT_RANDOM}", 4 * most),
            Load("SADD", 0.7, f"SADD set {ELEMENT_RANDOM}", 4 * most)]),
        (lambda server: fill_one(server, "hash", "hash", most, 4), [
            Load("HGET", 0.7, f"HGET hash {ELEMENT_RANDOM}", 4 * most),
            Load("HSET", 0.7, f"HSET hash {ELEMENT_RANDOM} {VALUE_20}", 4 * most)]),
        (lambda server: fill_one(server, "zset", "zset", most), [
            Load("ZSCORE", 0.7, f"ZSCORE zset {ELEMENT_RANDOM}", most),
            Load("ZRANK", 0.7, f"ZRANK zset {ELEMENT_RANDOM}", most),
            Load("ZADD of another score", 0.4, f"ZADD zset {RANDOM} {ELEMENT_RANDOM}", most),
            Load("ZADD of a new member", 0.4, f"ZADD zset {RANDOM} element:1{RANDOM}", 1_000_000_000, count=200_000)]),
        (lambda server: fill_many(server, "list", values), [
            Load("LPUSH, many lists", 0.7, f"LPUSH list:{RANDOM} element:000000000000", values),
            Load("RPUSH, many lists", 0.7, f"RPUSH list:{RANDOM} element:000000000000", values),
            Load("LPOP, many lists", 0.7, f"LPOP list:{RANDOM}", values),
            Load("LRANGE of 100, many lists", 0.7, f"LRANGE list:{RANDOM} 0 99", values, count=100_000)]),
        (lambda server: fill_many(server, "set", values), [
            Load("SMEMBERS of 100", 0.7, f"SMEMBERS set:{RANDOM}", values, count=100_000),
            Load("SISMEMBER, many sets", 0.7, f"SISMEMBER set:{RANDOM} {ELEMENT_RANDOM}", values),
            Load("SADD, many sets", 0.7, f"SADD set:{RANDOM} {ELEMENT_RANDOM}", values)]),
        (lambda server: fill_many(server, "hash", values), [
            Load("HGETALL of 100", 0.7, f"HGETALL hash:{RANDOM}", values, count=100_000),
            Load("HGET, many hashes", 0.7, f"HGET hash:{RANDOM} element:000000000050", values),
            Load("HSET, many hashes", 0.7, f"HSET hash:{RANDOM} {ELEMENT_RANDOM} {VALUE_20}", values)]),
        (lambda server: fill_many(server, "zset", values), [
            Load("ZSCORE, many sorted sets", 0.7, f"ZSCORE zset:{RANDOM} element:000000000050", values),
            Load("ZRANK, many sorted sets", 0.7, f"ZRANK zset:{RANDOM} element:000000000050", values),
            Load("ZADD, many sorted sets", 0.7, f"ZADD zset:{RANDOM} {RANDOM} {ELEMENT_RANDOM}", values)]),
    ]


def run_once(server, one, count):
    what = ["-r", one.span, *one.words] if one.span > 1 else one.words
    return load.benchmark(server, load.benchmark_command(server, what, DEPTH, count), count)


def measure_load(ours, theirs, one, arguments, their_load=None):
    """Pairs until the median of an attempt is within the bound, ATTEMPTS times at most. The row is the best attempt's. Redis, or
    who else it is, is given the same unless `their_load` is another."""
    count = max(500, int(one.count * arguments.scale))
    their_count = max(500, int((one.theirs or one.count) * arguments.scale))
    rows = []
    while len(rows) < ATTEMPTS and not (rows and (one.target is None or rows[-1]["cpu_ratio"] <= one.target)):
        pairs = [(run_once(ours, one, count), run_once(theirs, their_load or one, their_count)) for _ in range(arguments.pairs)]
        rows.append(load.row_of(one.name, DEPTH, count, pairs, one.target))
    best = min(rows, key=lambda row: row["cpu_ratio"])
    return {**best, "cpu_ratio_median": statistics.median(row["cpu_ratio"] for row in rows), "attempts": len(rows)}


def check_cpu(arguments, report):
    ours = servers.diskdb(arguments.binary, None, *arguments.option)
    theirs = servers.redis(None, "--appendfsync", "everysec", persistent=True)
    for server in (ours, theirs):
        server.start()
    print(load.header(WIDTH), flush=True)
    rows = []
    for fill, loads in cpu_groups(arguments.elements):
        loads = [one for one in loads if arguments.wants(one.name)]
        if not loads:
            continue
        for server in (ours, theirs):
            fill(server)
        for one in loads:
            row = measure_load(ours, theirs, one, arguments)
            rows.append(row)
            again = "" if row["attempts"] == 1 else f"   best of {row['attempts']}, median {row['cpu_ratio_median']:.2f}"
            print(load.show(row, WIDTH) + again, flush=True)
        for server in (ours, theirs):
            with server.connect(timeout=300) as connection:
                connection.call("FLUSHALL")
    for row in rows:
        if row["target"] is None:
            continue
        report.check(row["cpu_ratio"] <= row["target"],
                     f"cpu: {row['test']}: {row['cpu_ratio']:.2f} of Redis's, at most {row['target']}")
    for server in (ours, theirs):
        server.kill()
    return rows


# ---- Memory.

ONE_MAX = {"list": 1.1, "set": 0.7, "hash": 0.7, "zset": 0.6}
MANY_MAX = 1.0


def measure_memory(server, fill, count):
    """How much used and resident memory grow by `count` elements, in bytes an element."""
    server.start()
    with server.connect(timeout=300) as connection:
        def settled():
            watch.wait_for_checkpoint(connection)
            watch.wait_until_idle(server)
            connection.raw("MEMORY", "PURGE")
            return {"used": watch.used_memory(watch.info(connection)), "resident": watch.settled_resident_bytes(server)}
        fill(server, count // 10)
        watch.checkpoint(connection)
        connection.call("FLUSHALL")
        before = settled()
        fill(server, count)
        watch.checkpoint(connection)
        after = settled()
    server.kill()
    return {what: (after[what] - before[what]) / count for what in after}


def check_memory(arguments, report):
    count = arguments.elements
    rows = []
    for form in ("one", "many"):
        for kind in arguments.kinds:
            name = f"{kind}, {count} in one" if form == "one" else f"{kind}, {count // EACH} of {EACH}"
            if not arguments.wants(name):
                continue
            bound = ONE_MAX[kind] if form == "one" else MANY_MAX

            def fill(server, elements):
                if form == "one":
                    fill_one(server, kind, "value", elements)
                else:
                    fill_many(server, kind, elements // EACH)
            figures = [measure_memory(server, fill, count) for server in
                       (servers.diskdb(arguments.binary, None, *arguments.option), servers.redis())]
            ratios = {what: figures[0][what] / figures[1][what] for what in figures[0]}
            rows.append({"test": name, "diskdb": figures[0], "redis": figures[1], "ratios": ratios, "target": bound})
            for what, ratio in ratios.items():
                report.check(ratio <= bound, f"memory: {name}: {what} {ratio:.2f} of Redis's, at most {bound} "
                             f"({figures[0][what]:.1f} and {figures[1][what]:.1f} bytes an element)")
    return rows


# ---- Complexity.

# For ten thousand times as many elements. The logarithm grows by 2.3; the rest is misses of the cache and of address
# translation, which 10^3 elements do not know. What costs O(n) would grow ten-thousandfold, its root a hundredfold.
GROWTH_MAX = 10.0
BATCH = 100
DISTINCT = 200    # batches, sent round and round
PINGS = "PING"


def complexity_loads():
    """name: (kind, commands of one operation by value and number of elements)"""
    def member(size):
        return f"element:{random.randrange(size):012}"

    def middle(size):
        return random.randrange(size // 4, size // 2)
    return {
        PINGS: (None, lambda key, size: [["PING"]]),
        "LINDEX": ("list", lambda key, size: [["LINDEX", key, random.randrange(size)]]),
        "LSET": ("list", lambda key, size: [["LSET", key, random.randrange(size), member(size)]]),
        "LRANGE of ten": ("list", lambda key, size: [["LRANGE", key, at := middle(size), at + 9]]),
        "SRANDMEMBER": ("set", lambda key, size: [["SRANDMEMBER", key]]),
        "SPOP and SADD": ("set", lambda key, size: [["SPOP", key], ["SADD", key, f"popped:{random.randrange(10**12):013}"]]),
        "HLEN": ("hash", lambda key, size: [["HLEN", key]]),
        "ZRANK": ("zset", lambda key, size: [["ZRANK", key, member(size)]]),
        "ZRANGE of ten by rank": ("zset", lambda key, size: [["ZRANGE", key, at := middle(size), at + 9]]),
    }


class Batches:
    """Pipelines of one operation, prepared before, so that little but the server works while they run."""

    CONNECTIONS = 4
    END = b"+PONG\r\n"  # what a batch's reply ends with; no reply before has it

    def __init__(self, server, make):
        self._server = server
        self._batches = [b"".join(encode(words) for _ in range(BATCH) for words in make()) + encode(["PING"])
                         for _ in range(DISTINCT)]

    def run(self, rounds):
        """Server CPU an operation, in microseconds."""
        connections = [self._server.connect(timeout=120) for _ in range(self.CONNECTIONS)]
        before = watch.exact_cpu_seconds(self._server)
        for number in range(rounds):
            for i, connection in enumerate(connections):
                connection.send_raw(self._batches[(number * self.CONNECTIONS + i) % DISTINCT])
            for connection in connections:
                connection.receive_until(self.END)
        cpu = watch.exact_cpu_seconds(self._server) - before
        for connection in connections:
            connection.close()
        return cpu / (rounds * self.CONNECTIONS * BATCH) * 1e6


def check_complexity(arguments, report):
    sizes = (1000, 10_000, 1_000_000) if arguments.short else (1000, 100_000, 10_000_000)
    server = servers.diskdb(arguments.binary, None, *arguments.option)
    server.start()
    rows, filled, ping = [], None, 0.0
    print(f"     CPU us/op at {', '.join(map(str, sizes))} elements", flush=True)
    for name, (kind, words) in complexity_loads().items():
        if name != PINGS and not arguments.wants(name):
            continue
        if kind not in (None, filled):
            with server.connect(timeout=300) as connection:
                connection.call("FLUSHALL")
                for size in sizes:
                    fill_one(server, kind, f"value:{size}", size)
                watch.wait_for_checkpoint(connection)
                watch.wait_until_idle(server)
            filled = kind
        batches = [Batches(server, lambda size=size: words(f"value:{size}", size)) for size in (sizes if kind else sizes[:1])]
        samples = [[] for _ in batches]
        for _ in range(arguments.rounds):
            for sample, one in zip(samples, batches):
                sample.append(one.run(arguments.batches))
        if name == PINGS:
            ping = min(samples[0])
            print(f"     {name}: {ping:.2f}", flush=True)
            continue
        least = [min(sample) for sample in samples]
        middle = [statistics.median(sample) for sample in samples]
        growth = least[-1] / least[0]
        rows.append({"test": name, "sizes": sizes, "us": least, "us_median": middle, "growth": growth, "ping_us": ping})
        report.check(growth <= GROWTH_MAX, f"complexity: {name}: {', '.join(f'{us:.2f}' for us in least)} us (medians "
                     f"{', '.join(f'{us:.2f}' for us in middle)}): grows by {growth:.1f}, at most {GROWTH_MAX}")
    server.kill()
    return rows


# ---- Death.

RETURN_MS_MAX = 1.0
P999_MS_MAX = 2.0
# Of the load meanwhile: short enough that a stall of a few milliseconds is more than a thousandth of it.
OTHERS = ["--keys", 100_000, "--value-bytes", 128, "--reads", 0.5, "--connections", 20, "--rate", 10_000, "--seconds", 2,
          "--wait", 60]
DEATHS = ("nothing", "DEL", "UNLINK", "expiry")
QUIET_P999_MS_MAX = 10.0  # of the load alone: on a machine so busy the others' latency says nothing


def die(connection, death):
    """Does it; returns the milliseconds that the server took, and those until its answer was here."""
    if death == "nothing":
        return {"server_ms": 0.0, "return_ms": 0.0}
    words = [death, "victim"]
    if death == "expiry":
        words = ["EXISTS", "victim"]  # finds it expired, if nobody did before
        at = int(time.time() * 1000) + 50
        connection.call("PEXPIREAT", "victim", at)
        time.sleep(max(0.0, at / 1000 - time.time()) + 0.0002)
    connection.call("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 10_000)
    begin = time.monotonic()
    reply = connection.call(*words)
    milliseconds = (time.monotonic() - begin) * 1000
    connection.call("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    if reply != (0 if death == "expiry" else 1):
        raise SystemExit(f"{death}: replied {reply}")
    took = [entry[2] for entry in connection.call("SLOWLOG", "GET", -1) if entry[3] == [word.encode() for word in words]]
    connection.call("SLOWLOG", "RESET")
    return {"server_ms": took[0] / 1000, "return_ms": milliseconds}


def run_death(server, death):
    with server.connect(timeout=300) as connection:
        if death != "nothing":
            connection.call("COPY", "value", "victim")
            if not watch.checkpoint(connection):
                raise SystemExit("a checkpoint failed")
        watch.wait_until_idle(server)
        others = watch.OpenLoop(server.port, *OTHERS)
        time.sleep(0.5)
        took = die(connection, death)
        figures = others.wait()
        if figures["errors"] or figures["unanswered"]:
            raise SystemExit(f"{death}: {figures['errors']} errors, {figures['unanswered']} unanswered")
        if connection.call("EXISTS", "victim"):
            raise SystemExit(f"{death}: it lives")
    return {**took, "p999_ms": figures["p999_ms"], "max_ms": figures["max_ms"]}


def check_death(arguments, report):
    count = 1_000_000 if arguments.short else 10_000_000
    rows = []
    for kind in arguments.kinds:
        if not arguments.wants(kind):
            continue
        server = servers.diskdb(arguments.binary, None, *arguments.option)
        server.start()
        fill_one(server, kind, "value", count)
        quiet_runs, quiet = [], None
        for death in DEATHS:
            runs = quiet_runs if death == "nothing" else []
            for _ in range(ATTEMPTS):
                runs += [run_death(server, death) for _ in range(arguments.deaths)]
                best = {name: min(run[name] for run in runs) for name in runs[0]}
                if quiet is None or best["p999_ms"] - quiet["p999_ms"] <= P999_MS_MAX:
                    break
                quiet_runs += [run_death(server, "nothing") for _ in range(arguments.deaths)]
                quiet = {name: min(run[name] for run in quiet_runs) for name in quiet}
            middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            rows.append({"test": f"{kind}, {death}", "elements": count, "best": best, "median": middle})
            what = f"death: {kind}, {death}"
            print(f"     {what}: p99.9 {best['p999_ms']:.2f} ms, max {best['max_ms']:.2f} (medians {middle['p999_ms']:.2f}, "
                  f"{middle['max_ms']:.2f})", flush=True)
            if quiet is None:
                quiet = best
                continue
            report.check(best["server_ms"] <= RETURN_MS_MAX, f"{what} of {count} elements takes {best['server_ms']:.3f} ms "
                         f"(median {middle['server_ms']:.3f}; until the answer is here {best['return_ms']:.2f}, median "
                         f"{middle['return_ms']:.2f}), at most {RETURN_MS_MAX}")
            if quiet["p999_ms"] > QUIET_P999_MS_MAX:
                report.skip(f"{what}: p99.9 of others", f"the machine is too busy: {quiet['p999_ms']:.1f} ms without it")
                continue
            step = best["p999_ms"] - quiet["p999_ms"]
            report.check(step <= P999_MS_MAX, f"{what}: p99.9 of others moves by {step:.2f} ms, at most {P999_MS_MAX}")
        server.kill()
    return rows


# ---- All.

def parse_arguments():
    parser = section_arguments(__doc__, SECTIONS, "fewer elements, pairs and rounds", "cpu", 5400)
    parser.add_argument("--match", action="append", default=[], metavar="TEXT",
                        help="only rows whose name begins with it (may be repeated)")
    parser.add_argument("--elements", type=int, default=1_000_000, help="cpu, memory: of a large value (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.pairs = arguments.pairs or (1 if arguments.short else 3)
    arguments.scale = arguments.scale or (0.1 if arguments.short else 1.0)
    arguments.rounds = 3 if arguments.short else 5
    arguments.batches = 200 if arguments.short else 500
    arguments.deaths = 2 if arguments.short else 4
    arguments.kinds = ("list", "hash") if arguments.short else KINDS  # of memory and death
    arguments.wants = lambda name: not arguments.match or any(name.startswith(text) for text in arguments.match)
    return arguments


def section_arguments(description, sections, short, measured, deadline):
    """A parser with what scripts of sections have in common: which are run, and how thoroughly. `short`: what --short means;
    `measured`: the section with pairs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--short", action="store_true", help=short)
    parser.add_argument("--only", action="append", choices=sections, help="this section (may be repeated)")
    parser.add_argument("--pairs", type=int, help=f"{measured}: measurements of each server (default: 3)")
    parser.add_argument("--scale", type=float, help=f"{measured}: times the operations (default: 1)")
    parser.add_argument("--option", action="append", default=[], help="passed on to DiskDB, as --option=--threads --option=1")
    parser.add_argument("--json", metavar="FILE", help="write the figures there (- is standard output)")
    parser.add_argument("--deadline", type=int, default=deadline, help="seconds until it gives up (default: %(default)s)")
    return parser


def run_sections(checks, arguments):
    """Those asked for, each (arguments, report) -> figures, which go to the file asked for. Ends the script."""
    report = Report(verbose=True)
    print(load.machine(), flush=True)
    figures = {name: check(arguments, report) for name, check in checks.items() if not arguments.only or name in arguments.only}
    if arguments.json:
        text = json.dumps({"machine": load.machine(), **figures}, indent=1)
        print(text) if arguments.json == "-" else Path(arguments.json).write_text(text + "\n")
    sys.exit(report.finish())


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    random.seed(1)
    run_sections({"cpu": check_cpu, "memory": check_memory, "complexity": check_complexity, "death": check_death}, arguments)


if __name__ == "__main__":
    main()
