#!/usr/bin/python3
"""kill -9 at random instants under pipelined commands of all types, with checkpoints and eviction in between.

Each connection writes to a database of its own: the commands of the differential test's generator, and edits of a few
large values, so that pages go to the disk and come back. A connection's commands take effect in order, and the log is
cut at one place: after a crash its database must be what the first P of its commands make, for a P that is neither
below the number answered nor above the number sent. A second server, never killed and with all in memory, says what
that is: it is given the commands, those that were not answered one by one, until both have the same digests.

    tests/crash/kill9_types.py --rounds 100
"""

import argparse
import random
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "differential"))

from lib import resp, servers, transcript, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from random_commands import ALL_KEYS, Generator  # noqa: E402

# Commands that leave their connection's database, or whose effect depends on when they run.
WITHOUT = ("MOVE", "SWAPDB", "SELECT", "FLUSHALL", "COPY", "BLPOP", "BLMOVE", "BLMPOP", "XCLAIM", "RANDOMKEY")
LARGE = {name: b"large " + name for name in (b"hash", b"set", b"scores", b"list", b"stream", b"document", b"text")}
KEYS = ALL_KEYS + list(LARGE.values())
ELEMENTS = 20_000  # names of elements in a large value
PIPELINE_MAX = 64
ROUNDS_PER_FOLDER = 15


class Writer:
    """One connection's commands, the same again from the same seed, and how far they got."""

    def __init__(self, seed, database):
        self.database = database
        self.random = random.Random(seed)
        self.generator = Generator(seed, WITHOUT)
        self.entries = 0  # ids of the large stream
        self.sent = []    # since the last check
        self.answered = 0

    def _element(self):
        return b"element:%d" % self.random.randrange(ELEMENTS)

    def _large_edit(self):
        chance, element = self.random.random, self._element
        value = b"%d " % self.random.randrange(1000) * self.random.randrange(1, 20)
        count = self.random.randrange(1, 60)
        kind = self.random.choice(list(LARGE))
        key = LARGE[kind]
        if kind == b"hash":
            if chance() < 0.2:
                return [b"HDEL", key] + [element() for _ in range(count)]
            return [b"HSET", key] + [word for _ in range(count) for word in (element(), value)]
        if kind == b"set":
            return [b"SREM" if chance() < 0.2 else b"SADD", key] + [element() for _ in range(count)]
        if kind == b"scores":
            if chance() < 0.05:
                return [b"ZREMRANGEBYRANK", key, b"%d" % self.random.randrange(3000), b"%d" % self.random.randrange(3000)]
            return [b"ZADD", key] + [word for _ in range(count)
                                     for word in (b"%d" % self.random.randrange(10**9), element())]
        if kind == b"list":
            place = b"%d" % self.random.randrange(-2000, 2000)
            return self.random.choice([[b"RPUSH", key] + [element()] * count, [b"LPUSH", key] + [element()] * count,
                                       [b"LSET", key, place, value], [b"LPOP", key, b"%d" % (count // 2)],
                                       [b"LINSERT", key, b"BEFORE", element(), value]])
        if kind == b"stream":
            self.entries += 1
            if chance() < 0.02:
                return [b"XTRIM", key, b"MAXLEN", b"%d" % self.random.randrange(20_000)]
            return [b"XADD", key, b"%d-1" % self.entries, b"field", value * 5, b"number", b"%d" % count]
        if kind == b"document":
            if chance() < 0.02:
                numbers = b",".join(b"%d" % n for n in range(3000))
                return [b"JSON.SET", key, b"$", b'{"numbers":[%s],"names":{}}' % numbers]
            return self.random.choice([
                [b"JSON.NUMINCRBY", key, b"$.numbers[%d]" % self.random.randrange(3000), b"%d" % count],
                [b"JSON.ARRAPPEND", key, b"$.numbers", b"%d" % count],
                [b"JSON.SET", key, b'$.names["%s"]' % element(), b'"%s"' % value],
                [b"JSON.DEL", key, b'$.names["%s"]' % element()]])
        return self.random.choice([[b"SETRANGE", key, b"%d" % self.random.randrange(2_000_000), value],
                                   [b"APPEND", key, value * 50]])

    def next_commands(self):
        count = self.random.randrange(1, PIPELINE_MAX)
        return [self._large_edit() if self.random.random() < 0.3 else words for words in self.generator.commands(count)]

    def run(self, port, ready):
        """Until the server dies."""
        try:
            with resp.Connection(port) as connection:
                connection.call("SELECT", self.database)
                ready.wait()
                while True:
                    commands = self.next_commands()
                    self.sent += commands
                    connection.send_raw(b"".join(resp.encode(words) for words in commands))
                    for _ in commands:
                        connection.receive()
                        self.answered += 1
        except OSError:
            pass


def digests(connection):
    """Of all keys, and how many there are."""
    return connection.raw("DBSIZE") + connection.raw("DEBUG", "DIGEST-VALUE", *KEYS)


def find_prefix(writer, crashed, twin):
    """Brings the twin to the crashed server's state. None, or what differs."""
    with crashed.connect() as found, twin.connect() as model:
        for connection in (found, model):
            connection.call("SELECT", writer.database)
        model.pipeline(writer.sent[:writer.answered])
        wanted = digests(found)
        state, done = digests(model), writer.answered
        while state != wanted and done < len(writer.sent):
            model.raw(*writer.sent[done])
            done += 1
            state = digests(model)
        if state == wanted:
            writer.sent, writer.answered = [], 0
            return None
        names = [key for key in KEYS
                 if found.raw("DEBUG", "DIGEST-VALUE", key) != model.raw("DEBUG", "DIGEST-VALUE", key)]
        return (f"database {writer.database}: {writer.answered} commands answered, {len(writer.sent)} sent, none of "
                f"their states found; after all of them these differ: {names}\n"
                + "\n".join(transcript.show_command(words)[:200] for words in writer.sent[writer.answered - 20:]))


def run_round(server, writers, seconds, chance):
    """Load, checkpoints, kill -9, restart."""
    ready = threading.Barrier(len(writers) + 1)
    threads = [threading.Thread(target=writer.run, args=(server.port, ready)) for writer in writers]
    for thread in threads:
        thread.start()
    ready.wait()
    end = time.monotonic() + seconds
    with server.connect() as connection:
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, chance.expovariate(1 / 0.1)))
            connection.send("BGSAVE")
    lived = server.is_alive()
    server.kill()
    for thread in threads:
        thread.join()
    server.start()
    return lived


def run_folder(arguments, policy, chance, rounds, report, sums):
    """Some rounds on one data folder."""
    threads = chance.choice([[], ["--threads", "1"], ["--spread-connections", "always"]])
    options = threads + chance.choice([[], ["--max-log-size", "1mb"]])
    server = servers.diskdb(arguments.binary, None, "--maxmemory", arguments.maxmemory, *options, fsync=policy)
    twin = servers.diskdb(arguments.binary, fsync="no")
    server.start()
    twin.start()
    writers = [Writer(chance.randrange(1 << 30), database) for database in range(arguments.writers)]
    for number in range(rounds):
        lived = run_round(server, writers, chance.uniform(0.02, arguments.seconds), chance)
        name = f"{policy}, {' '.join(options) or 'default settings'}, round {number} on this folder"
        if not report.check(lived, name + ": it lived until it was killed", server.output()[-3000:]):
            return
        sums["commands answered"] += sum(writer.answered for writer in writers)
        problems = [problem for writer in writers if (problem := find_prefix(writer, server, twin))]
        if not report.check(not problems, name, "\n".join(problems)):
            return
        with server.connect() as connection:
            fields = watch.info(connection)
        for field in (watch.LOADS, watch.EVICTIONS):
            sums[field] += fields[field]
    server.kill()
    twin.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--rounds", type=int, default=5, help="for each policy (default: %(default)s)")
    parser.add_argument("--policy", action="append", choices=("always", "everysec", "no"),
                        help="fsync policies (default: always and everysec)")
    parser.add_argument("--seed", type=int, help="default: from the clock")
    parser.add_argument("--writers", type=int, default=4, help="connections (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.6, help="of load before a kill, at most (default: %(default)s)")
    parser.add_argument("--maxmemory", default="16mb", help="of the server that is killed (default: %(default)s)")
    parser.add_argument("--deadline", type=int, default=600, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 30)
    for policy in arguments.policy or ("always", "everysec"):
        chance, left = random.Random(seed), arguments.rounds
        sums = {"commands answered": 0, watch.LOADS: 0, watch.EVICTIONS: 0}
        while left > 0 and not report.failed:
            rounds = min(left, ROUNDS_PER_FOLDER)
            run_folder(arguments, policy, chance, rounds, report, sums)
            left -= rounds
        print(f"{policy}: " + ", ".join(f"{count} {name}" for name, count in sums.items()) + f", seed {seed}", flush=True)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
