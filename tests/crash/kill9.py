#!/usr/bin/python3
"""kill -9 at random instants under pipelined load from many connections; nothing acknowledged or read may be lost.

What is checked stands at the top of load.cc. Every few rounds the data folder is new; in between the server starts
again and again on what earlier crashes left, sometimes killed in the middle of its recovery too.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers  # noqa: E402
from lib.build import compiled  # noqa: E402
from lib.report import Report  # noqa: E402

ROUNDS_PER_FOLDER = 10


class Load:
    """The load generator: one process for all rounds on one data folder."""

    def __init__(self, port, seed, writers, readers):
        command = [str(compiled(HERE / "load.cc")), str(port), str(seed), str(writers), str(readers)]
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


def drawn_options(arguments, chance):
    """Settings that must not matter to durability, drawn anew for every folder: segments that end often, few threads."""
    if arguments.binary == "redis":
        return []
    return chance.choice([[], ["--max-log-size", "1mb"]]) + chance.choice([[], ["--threads", "1"], ["--threads", "4"]])


def run_folder(arguments, policy, chance, rounds, report):
    """Some rounds on one data folder. Returns (answered, read) counts."""
    options = drawn_options(arguments, chance) + arguments.option
    server = servers.diskdb(arguments.binary, None, *options, fsync=policy)
    server.start()
    load = Load(server.port, chance.randrange(1 << 30), arguments.writers, arguments.readers)
    answered = read = 0
    for round_number in range(rounds):
        load.order("run")
        load.lines_until("running")
        time.sleep(chance.uniform(*arguments.milliseconds) / 1000)
        server.kill()
        ended = load.lines_until("ended")
        answered += int(ended[-1].split()[1])
        read += int(ended[-1].split()[3])
        seconds = start_rudely(server, chance)
        load.order("verify")
        lines = ended[:-1] + load.lines_until("verified")
        failed = [line for line in lines if line.startswith("FAIL")]
        detail = "\n".join(line for line in lines if not line.startswith("verified"))
        name = f"{policy}, {' '.join(options) or 'default settings'}, round {round_number} on this folder"
        if not report.check(not failed and lines[-1] == "verified 0 failures", name, detail[:3000]):
            print(f"     start took {seconds:.2f} s; the data folder is kept: {keep(server)}", flush=True)
            break
    load.close()
    server.kill()
    subprocess.run(["rm", "-rf", str(server.folder)], check=False)
    return answered, read


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
    parser.add_argument("--option", action="append", default=[], help="passed on to the server, as --option=--threads --option=4")
    parser.add_argument("--deadline", type=int, default=1500, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 30)
    for policy in arguments.policy or ("always", "everysec"):
        chance = random.Random(seed)
        begin, answered, read, left = time.monotonic(), 0, 0, arguments.rounds
        while left > 0 and not report.failed:
            rounds = min(left, ROUNDS_PER_FOLDER)
            counts = run_folder(arguments, policy, chance, rounds, report)
            answered, read, left = answered + counts[0], read + counts[1], left - rounds
        print(f"{policy}: {arguments.rounds - max(left, 0)} rounds, {answered} writes acknowledged, {read} reads, "
              f"{time.monotonic() - begin:.0f} s, seed {seed}", flush=True)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
