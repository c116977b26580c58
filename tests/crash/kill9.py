#!/usr/bin/python3
"""kill -9 at random instants under pipelined load from many connections; nothing acknowledged or read may be lost.

What is checked stands at the top of load.cc. Every few rounds the data folder is new; in between the server starts
again and again on what earlier crashes left, sometimes killed in the middle of its recovery too.

    tests/crash/kill9.py --rounds 300 --maxmemory 16mb --bgsave 60

lets each folder grow to several times that limit, with checkpoints at random instants, so that crashes hit
checkpoints, loads and eviction.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers, watch  # noqa: E402
from lib.build import compiled  # noqa: E402
from lib.report import Report  # noqa: E402

ROUNDS_PER_FOLDER = 10
SMALL_SHAPE = (24, 200)      # keys of a writer, bound of most values' sizes
LARGE_SHAPE = (1000, 4096)   # under --maxmemory: ten rounds leave 50 MB and more


class Load:
    """The load generator: one process for all rounds on one data folder."""

    def __init__(self, port, seed, writers, readers, shape):
        command = [str(compiled(HERE / "load.cc")), *map(str, (port, seed, writers, readers, *shape))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def lines_until(self, last_word):
        lines = []
        while not lines or not lines[-1].startswith(last_word):
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the load generator ended: " + "\n".join(lines))
            lines.append(line.rstrip())
        return lines

    def close(self):
        self.order("quit")
        self.process.wait(10)


def start_rudely(server, chance):
    """Starts the server, now and then killing it in the middle of its recovery first."""
    while chance.random() < 0.2:
        process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.04))
        process.kill()
        process.wait()
    return server.start()


def sleep_with_checkpoints(server, seconds, mean, chance):
    """Sleeps, and now and then asks for a checkpoint. Its reply is never waited for: the kill may come before it."""
    end, asked = time.monotonic() + seconds, 0
    if mean <= 0:
        time.sleep(seconds)
        return asked
    with server.connect() as connection:
        while True:
            pause = chance.expovariate(1 / mean)
            left = end - time.monotonic()
            time.sleep(max(0.0, min(pause, left)))
            if pause >= left:
                return asked
            try:
                connection.send("BGSAVE")
            except OSError:
                return asked  # it ended by itself, which the caller sees
            asked += 1


def drawn_options(arguments, chance):
    """Settings that must not matter to durability, drawn anew for every folder: segments that end often, few threads."""
    if arguments.binary == "redis":
        return []
    return chance.choice([[], ["--max-log-size", "1mb"]]) + chance.choice(
        [[], ["--threads", "1"], ["--spread-connections", "always"], ["--threads", "4", "--spread-connections", "always"]])


def run_folder(arguments, policy, chance, rounds, report, sums):
    """Some rounds on one data folder; adds to the sums."""
    options = drawn_options(arguments, chance) + arguments.option
    if arguments.maxmemory:
        options += ["--maxmemory", arguments.maxmemory]
    server = servers.diskdb(arguments.binary, None, *options, fsync=policy)
    server.start()
    load = Load(server.port, chance.randrange(1 << 30), arguments.writers, arguments.readers,
                (arguments.keys_per_writer, arguments.value_bytes))
    for round_number in range(rounds):
        load.order("run")
        load.lines_until("running")
        seconds = chance.uniform(*arguments.milliseconds) / 1000
        sums["checkpoints asked for"] += sleep_with_checkpoints(server, seconds, arguments.bgsave / 1000, chance)
        name = f"{policy}, {' '.join(options) or 'default settings'}, round {round_number} on this folder"
        lived = server.is_alive()
        output = server.output()
        server.kill()
        ended = load.lines_until("ended")
        sums["writes acknowledged"] += int(ended[-1].split()[1])
        sums["reads"] += int(ended[-1].split()[3])
        if not lived:
            report.fail(name + ": it ended before it was killed", output[-3000:])
            print(f"     the data folder is kept: {keep(server)}", flush=True)
            break
        seconds = start_rudely(server, chance)
        load.order("verify")
        lines = ended[:-1] + load.lines_until("verified")
        failed = [line for line in lines if line.startswith("FAIL")]
        detail = "\n".join(line for line in lines if not line.startswith(("verified", "bytes")))
        if not report.check(not failed and lines[-1] == "verified 0 failures", name, detail[:3000]):
            print(f"     start took {seconds:.2f} s; the data folder is kept: {keep(server)}", flush=True)
            break
        sums["MB in a folder at most"] = max(sums["MB in a folder at most"], int(lines[-2].split()[1]) // 1_000_000)
        add_tier_fields(server, sums)
    load.close()
    server.kill()
    subprocess.run(["rm", "-rf", str(server.folder)], check=False)


def add_tier_fields(server, sums):
    """What the restarted server has done while everything was read again, if it tells."""
    with server.connect() as connection:
        fields = watch.info(connection)
    for name in (watch.LOADS, watch.EVICTIONS):
        if name in fields:
            sums[f"{name} by checking"] = sums.get(f"{name} by checking", 0) + fields[name]


def keep(server):
    """A copy of the data folder that outlives the test, for whoever looks into the failure."""
    kept = Path(servers.tempfile.mkdtemp(prefix="diskdb-kill9-kept-"))
    subprocess.run(["cp", "-r", f"{server.folder}/.", str(kept)], check=False)
    return kept


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--rounds", type=int, default=5, help="for each policy (default: %(default)s, long: 200)")
    parser.add_argument("--policy", action="append", choices=("always", "everysec", "no"),
                        help="fsync policies (default: always and everysec)")
    parser.add_argument("--seed", type=int, help="for the instants and the load (default: from the clock)")
    parser.add_argument("--writers", type=int, default=8, help="connections that write (default: %(default)s)")
    parser.add_argument("--readers", type=int, default=3, help="connections that read (default: %(default)s)")
    parser.add_argument("--milliseconds", type=float, nargs=2, default=(5, 300), metavar=("LEAST", "MOST"),
                        help="of load before the kill (default: 5 to 300)")
    parser.add_argument("--maxmemory", metavar="SIZE", help="of the server, such as 16mb; keys and values become many and large")
    parser.add_argument("--keys-per-writer", type=int, help="default: %d, with --maxmemory %d" % (SMALL_SHAPE[0], LARGE_SHAPE[0]))
    parser.add_argument("--value-bytes", type=int, help="bound of most values' sizes (default: %d, with --maxmemory %d)"
                        % (SMALL_SHAPE[1], LARGE_SHAPE[1]))
    parser.add_argument("--bgsave", type=float, default=0, metavar="MILLISECONDS",
                        help="mean time between checkpoints asked for (default: none)")
    parser.add_argument("--option", "--server-option", action="append", default=[],
                        help="passed on to the server, as --option=--threads --option=4")
    parser.add_argument("--deadline", type=int, default=1500, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    shape = LARGE_SHAPE if arguments.maxmemory else SMALL_SHAPE
    arguments.keys_per_writer = arguments.keys_per_writer or shape[0]
    arguments.value_bytes = arguments.value_bytes or shape[1]
    return arguments


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 30)
    for policy in arguments.policy or ("always", "everysec"):
        chance = random.Random(seed)
        begin, left = time.monotonic(), arguments.rounds
        sums = {"writes acknowledged": 0, "reads": 0, "checkpoints asked for": 0, "MB in a folder at most": 0}
        while left > 0 and not report.failed:
            rounds = min(left, ROUNDS_PER_FOLDER)
            run_folder(arguments, policy, chance, rounds, report, sums)
            left -= rounds
        counts = ", ".join(f"{count} {name}" for name, count in sums.items() if count)
        print(f"{policy}: {arguments.rounds - max(left, 0)} rounds, {counts}, {time.monotonic() - begin:.0f} s, seed {seed}",
              flush=True)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
