#!/usr/bin/python3
"""Where more threads stop helping: shards and log simulated for 1 to 64 threads, each with a processor of its own.

A discrete-event simulation of what dispatcher, shards and log do with single-key writes (SET) in pipelines. A thread takes
groups of up to 16 commands: it tries their shards' locks one by one, stops at the first that is taken, runs the commands it has
the shards for, appends their frames to the one log under its lock, and lets go. A group whose first shard is taken runs that
command alone: it spins, and parks the connection when that takes too long. Then the frames are written, by whoever finds the
writer's role free (`writing` is the share of time that somebody has it). What it costs is measured (bench/cache_lines.cc,
log_bench, src/keyspace/contention_bench.cc; --measure measures again); one number is an assumption, since no machine here
could tell it: how much a hand-over of a lock grows with those who wait.

Every time is decided by the seed: the same options give the same figures. Locks and lines are those of the code; caches are
a rule: what another thread used last has to come from its processor.

    bench/contention_model.py                    # the tables of docs/performance.md
    bench/contention_model.py --measure          # with costs measured here, held against one and two real threads
    bench/contention_model.py --group 4 --threads 1,8,64
"""

import argparse
import bisect
import heapq
import itertools
import json
import random
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from lib.build import compiled  # noqa: E402
from lib.report import Report  # noqa: E402

KEYS = 1_000_000
THETA = 0.99
THREADS = (1, 2, 4, 8, 16, 32, 64)
GROUP = 16  # commands of a group of contention_bench
LINE_NS_MAX = 500  # a machine that needs more is too busy to measure anything of this
DEVIATION_MAX = 0.30  # of the model from what two real threads do


@dataclass(frozen=True)
class Costs:
    """Nanoseconds of one processor."""
    outside: float = 330.0      # a command: receiving, parsing, replying, sending (0: the bare keyspace)
    prepare: float = 25.0       # a command: hash, row, prefetch
    lock: float = 11.0          # a shard's lock, taken and left, nobody else near
    execute: float = 95.0       # a command, its shard held
    log: float = 15.0           # appending: the section's fixed part
    log_frame: float = 9.0      # and each frame copied
    write: float = 2500.0       # writing: the system call
    write_frame: float = 65.0   # and each frame
    line: float = 70.0          # a line of the cache that another processor changed last
    shard_lines: float = 2.0    # such lines of a shard: its lock, its table
    log_lines: float = 3.0      # of the log: its lock, the chunk, its end
    crowd: float = 0.25         # ASSUMED: lines more by hand-over, for each that waits besides
    spin: float = 5000.0        # how long a command alone spins before its connection parks
    park: float = 2000.0        # parking and being woken


@dataclass(frozen=True)
class Setup:
    threads: int = 1
    shards: int = 1024
    group: int = 16
    pipeline: int = 16
    turn: int = 8               # pipelines between two writes
    zipfian: bool = False
    reserves: bool = False      # the log's lock is held to reserve room only, frames are copied after it
    groups: int = 300           # by thread, after which the run ends
    seed: int = 1


class Lock:
    """First come, first served; which of those who spin is next is chance in reality."""

    def __init__(self):
        self.holder = None
        self.last = None
        self.queue = []


class Model:
    """One run. A thread is a generator: it yields how long it works, or a lock that it waits for."""

    def __init__(self, setup, costs):
        self.setup, self.costs = setup, costs
        self.random = random.Random(setup.seed)
        self.shards = [Lock() for _ in range(setup.shards)]
        self.log = Lock()
        self.sums = zipfian_sums(setup.shards) if setup.zipfian else None
        self.pending, self.is_writing = 0, False
        self.now, self.events, self.order = 0.0, [], itertools.count()
        self.waiting, self.moving, self.done, self.parks, self.cut_short, self.group_count = 0.0, 0.0, 0, 0, 0, 0
        self.writing = 0.0

    def draw(self):
        if self.sums is None:
            return self.random.randrange(self.setup.shards)
        return bisect.bisect_left(self.sums, self.random.random() * self.sums[-1])

    def run(self):
        for number in range(self.setup.threads):
            self.wake(self.thread(number), self.random.random() * 1000)
        commands = self.setup.groups * self.setup.pipeline * self.setup.threads
        while self.done < commands:
            self.now, _, thread = heapq.heappop(self.events)
            asked = next(thread)
            if isinstance(asked, Lock):
                asked.queue.append((thread, self.now))
            else:
                self.wake(thread, asked)
        return self

    def wake(self, thread, delay):
        heapq.heappush(self.events, (self.now + delay, next(self.order), thread))

    def leave(self, lock):
        """The next one has it after the hand-over."""
        lock.last, lock.holder = lock.holder, None
        if lock.queue:
            thread, since = lock.queue.pop(0)
            lock.holder = thread
            hand_over = self.costs.line * (1 + self.costs.crowd * len(lock.queue))
            self.waiting += self.now - since + hand_over
            self.wake(thread, hand_over)

    def move(self, lock, number, lines):
        """What fetching a lock's lines costs this thread."""
        cost = 0.0 if lock.last in (None, number) else lines * self.costs.line
        self.moving += cost
        return cost

    def thread(self, number):
        costs, setup = self.costs, self.setup
        for turn in itertools.count(number):  # not all in step
            left = setup.pipeline
            yield setup.pipeline * costs.outside
            while left > 0:
                wanted = [self.draw() for _ in range(min(setup.group, left))]
                self.group_count += 1
                yield len(wanted) * costs.prepare
                held, alone = [], None
                for index in wanted:
                    shard = self.shards[index]
                    if shard.holder is None:
                        shard.holder = number
                        held.append(shard)
                        yield costs.lock + self.move(shard, number, 1)
                    elif shard.holder != number:
                        alone = shard if shard is self.shards[wanted[0]] else None
                        self.cut_short += 1
                        yield self.costs.line
                        break
                count = max(1, self.fitting(wanted, number))
                if not held:
                    yield from self.take_alone(alone, number)
                    held = [alone]
                yield sum(self.move(shard, number, costs.shard_lines - 1) for shard in held) + count * costs.execute
                yield from self.append(number, count)
                for shard in held:
                    self.leave_as(shard, number)
                self.done += count
                left -= count
            if turn % setup.turn == 0:
                yield from self.write()

    def fitting(self, wanted, number):
        """How many of the group's first commands have their shards held by this thread."""
        return next((i for i, index in enumerate(wanted) if self.shards[index].holder != number), len(wanted))

    def leave_as(self, lock, number):
        lock.holder = number
        self.leave(lock)

    def take_alone(self, shard, number):
        """Spins for one shard; what takes longer than the spinning counts as parked."""
        since = self.now
        if shard.holder is None:
            shard.holder = number
        else:
            yield shard
            shard.holder = number
            if self.now - since > self.costs.spin:
                self.parks += 1
                yield self.costs.park
        yield self.costs.lock

    def append(self, number, count):
        costs, log = self.costs, self.log
        if log.holder is None:
            log.holder = number
        else:
            yield log
            log.holder = number
        if self.setup.reserves:  # one line, in one instruction
            yield self.move(log, number, 1)
            self.leave_as(log, number)
            yield costs.log + count * costs.log_frame
        else:
            yield self.move(log, number, costs.log_lines) + costs.log + count * costs.log_frame
            self.leave_as(log, number)
        self.pending += count

    def write(self):
        """The role is taken if it is free; who holds it looks again before going."""
        if self.is_writing:
            return
        self.is_writing = True
        while self.pending:
            count, self.pending = self.pending, 0
            took = self.costs.write + count * self.costs.write_frame
            self.writing += took
            yield took
        self.is_writing = False

    def figures(self):
        total = self.now * self.setup.threads
        return {"rate": self.done / self.now * 1e9, "writing": min(1.0, self.writing / self.now),
                "waiting": self.waiting / total, "moving": self.moving / total,
                "cut_short": self.cut_short / self.group_count, "parks": self.parks / self.done}


SUMS = {}


def zipfian_sums(shards):
    """How often each shard is asked for, cumulated: a million keys by rank, each in a shard by chance."""
    if shards not in SUMS:
        chance = random.Random(7)
        weights = [0.0] * shards
        for rank in range(1, KEYS + 1):
            weights[chance.randrange(shards)] += rank ** -THETA
        SUMS[shards] = list(itertools.accumulate(weights))
    return SUMS[shards]


def simulate(setup, costs):
    return Model(setup, costs).run().figures()


def table(name, setup, costs, threads):
    """Prints one; returns the rates."""
    print(f"{name}\n{'threads':>9} {'M ops/s':>8} {'speed-up':>9} {'waiting':>8} {'moving':>7} {'writing':>8} "
          f"{'cut short':>10} {'parked':>8}")
    rates = {}
    for count in threads:
        figures = simulate(replace(setup, threads=count), costs)
        rates[count] = figures["rate"]
        print(f"{count:>9} {figures['rate'] / 1e6:>8.2f} {figures['rate'] / rates[threads[0]] * threads[0]:>8.1f}x "
              f"{figures['waiting']:>8.1%} {figures['moving']:>7.1%} {figures['writing']:>8.1%} "
              f"{figures['cut_short']:>10.1%} {figures['parks']:>8.3%}",
              flush=True)
    print()
    return rates


# ---- Measuring

def run_benchmark(program, name):
    """The runs of a Google benchmark."""
    command = [str(program), f"--benchmark_filter={name}", "--benchmark_repetitions=7", "--benchmark_min_time=0.2",
               "--benchmark_format=json"]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=600).stdout
    return [run for run in json.loads(output)["benchmarks"] if run["run_type"] == "iteration"]


def best_ns(program, name, field="cpu_time"):
    """An operation's nanoseconds; the best of some runs, which other work disturbed least."""
    return min(run[field] for run in run_benchmark(program, name))


def measure_lines():
    """What a lock and a line of the cache cost; None where two threads never had a processor each."""
    program = compiled(ROOT / "bench" / "cache_lines.cc")
    line = json.loads(subprocess.run([str(program)], stdout=subprocess.PIPE, check=True, timeout=120).stdout)
    return line if line["line_ns"] <= LINE_NS_MAX else None


def measure(folder, costs, line):
    """The costs of this machine, and what one and two real threads do: {(threads, zipfian): commands a second}."""
    appended = best_ns(folder / "log_bench", "append_only/170$")
    few, many = ((best_ns(folder / "log_bench", f"append_and_write/170/{n}$") - appended) * n for n in (16, 400))
    frame = max(1.0, (many - few) / (400 - 16))
    costs = replace(costs, lock=line["lock_ns"], line=line["line_ns"], log=appended / 2, log_frame=appended / 2,
                    write=max(1.0, few - 16 * frame), write_frame=frame)
    real = {}
    for run in run_benchmark(folder / "keyspace_bench", "BM_SetGroups"):
        # By processor time, since other work may take the processors away, and the best run.
        key = (run["threads"], "zipfian:1" in run["name"])
        real[key] = max(real.get(key, 0.0), run["threads"] * GROUP / run["cpu_time"] * 1e9)
    # What is left of a group at one thread is the execution.
    bare = replace(costs, outside=0.0, execute=0.0)
    for zipfian in (False, True):
        rest = 1e9 / real[(1, zipfian)] - 1e9 / simulate(Setup(zipfian=zipfian), bare)["rate"]
        real[("execute", zipfian)] = rest
    costs = replace(costs, execute=max(1.0, real[("execute", False)]))
    return costs, real


def validate(report, costs, real):
    """The model at two threads without sockets beside two real ones."""
    for zipfian in (False, True):
        bare = replace(costs, outside=0.0, execute=max(1.0, real[("execute", zipfian)]))
        rates = [simulate(Setup(threads=count, zipfian=zipfian), bare)["rate"] for count in (1, 2)]
        ratio, real_ratio = rates[1] / rates[0], real[(2, zipfian)] / real[(1, zipfian)]
        name = "zipfian" if zipfian else "uniform"
        report.check(abs(ratio / real_ratio - 1) <= DEVIATION_MAX,
                     f"{name}: two threads give {ratio:.2f} times one's rate in the model, {real_ratio:.2f} in reality "
                     f"({real[(2, zipfian)] / 1e6:.2f} of {real[(1, zipfian)] / 1e6:.2f} M commands a second)")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="costs of this machine; needs the benchmarks")
    parser.add_argument("--folder", default=str(ROOT / "build" / "bench"), help="of the benchmarks (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="fewer groups")
    parser.add_argument("--threads", default=",".join(map(str, THREADS)), help="default: %(default)s")
    parser.add_argument("--shards", type=int, default=1024)
    parser.add_argument("--group", type=int, default=16, help="commands whose shards are held together (default: 16)")
    parser.add_argument("--pipeline", type=int, default=16)
    for field in fields(Costs):
        parser.add_argument("--" + field.name.replace("_", "-"), type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    report = Report(verbose=True)
    costs = replace(Costs(), **{field.name: value for field in fields(Costs)
                                if (value := getattr(arguments, field.name)) is not None})
    if arguments.measure:
        line = measure_lines()
        if line is None:
            report.skip("costs of this machine, and the model beside real threads", "it is too busy; the recorded costs serve")
        else:
            costs, real = measure(Path(arguments.folder), costs, line)
            validate(report, costs, real)
    print("     costs in ns: " + ", ".join(f"{field.name} {getattr(costs, field.name):.4g}" for field in fields(Costs)) + "\n")
    threads = [int(word) for word in arguments.threads.split(",")]
    setup = Setup(shards=arguments.shards, group=arguments.group, pipeline=arguments.pipeline,
                  groups=60 if arguments.short else 300)
    rates = {}
    for zipfian in (False, True):
        name = "zipfian" if zipfian else "uniform"
        rates[name] = table(f"{name}, groups of {setup.group}, {setup.shards} shards", replace(setup, zipfian=zipfian), costs,
                            threads)
    if not arguments.short:
        for what, other, its_costs in (
                ("groups of 4", replace(setup, group=4), costs),
                ("16384 shards", replace(setup, shards=16384), costs),
                ("hand-overs that do not grow with those who wait", setup, replace(costs, crowd=0.0)),
                ("a log that only reserves under its lock", replace(setup, reserves=True), costs),
                ("that, and 16384 shards", replace(setup, reserves=True, shards=16384), costs)):
            for zipfian in (False, True):
                table(f"{'zipfian' if zipfian else 'uniform'}, {what}", replace(other, zipfian=zipfian), its_costs, threads)
    for name, of in rates.items():
        report.check(all(of[b] > of[a] for a, b in itertools.pairwise(threads) if b <= 8),
                     f"{name}: up to 8 threads more of them are faster")
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
