#!/usr/bin/python3
"""Sends the same commands to DiskDB and to Debian's Redis 7.0 and compares every reply byte for byte.

Three parts: the transcripts in cases/ (the oracle gives the replies), newer.txt (what Redis 8.10 does differently,
with the replies stored there), and a seeded random generator. Databases are compared by DEBUG DIGEST and DBSIZE, and by
the payloads of DUMP, which either server must restore.
"""

import argparse
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import masks  # noqa: E402
from lib import servers, transcript  # noqa: E402
from lib.report import Report  # noqa: E402
from random_commands import ALL_KEYS, DATABASES, Generator  # noqa: E402

BATCH = 100
SHOWN_MAX = 20  # differences shown of one transcript


class Side:
    """One of the two servers, and the connections to it."""

    def __init__(self, server):
        self.server = server
        self.connections = {}

    def connection(self, name="1"):
        if name not in self.connections:
            self.connections[name] = self.server.connect()
        return self.connections[name]

    def fresh(self):
        """Empty databases, new connections."""
        for connection in self.connections.values():
            connection.close()
        self.connections = {}
        self.connection().call("FLUSHALL")

    def restart(self):
        """kill -9, and on with what the log brings back."""
        self.server.kill()
        self.server.start()
        self.connections = {}

    def do(self, step, name):
        """The reply to a transcript's step; what the server did instead, if it closed."""
        connection = self.connection(name)
        try:
            if step.kind == "command":
                return connection.raw(*step.words)
            connection.send_raw(step.words[0])
            return connection.receive_until_closed() if step.kind == "send-end" else connection.receive()
        except (ConnectionError, TimeoutError) as problem:
            self.connections.pop(name).close()
            return f"-({type(problem).__name__})\r\n".encode()


def show(raw):
    try:
        return transcript.show_reply(raw)
    except (ValueError, IndexError):  # several replies, or none
        return [repr(raw)]


# -- transcripts ---------------------------------------------------------------------------------------------------

def run_cases(path, ours, theirs, report, verbose):
    """Every command of a file to both servers."""
    section, name, each, shown = "", "1", None, 0
    for side in (ours, theirs):
        side.fresh()
    for step in transcript.load(path):
        where = f"{path.name}:{step.line_number} [{section}]"
        if step.kind == "section":
            compare_databases(ours, theirs, report, f"{path.name} [{section}]")
            section, name, each = step.text, "1", None
            for side in (ours, theirs):
                side.fresh()
        elif step.kind == "connection":
            name = step.text
        elif step.kind == "each":
            each = transcript.Step("command", step.line_number, words=step.words) if step.words else None
        elif step.kind == "sleep":
            time.sleep(int(step.text) / 1000)
        else:
            if each is not None:
                for side in (ours, theirs):
                    side.do(each, name)
            got, expected = ours.do(step, name), theirs.do(step, name)
            if masks.alike(step.words, got, expected):
                report.ok(where)
                continue
            shown += 1
            report.fail(where, "\n".join([
                transcript.show_command(step.words), "Redis:  " + "\n        ".join(show(expected)),
                "DiskDB: " + "\n        ".join(show(got))]) if shown <= SHOWN_MAX or verbose else "")
    compare_databases(ours, theirs, report, f"{path.name} [{section}]")


def run_newer(path, ours, report):
    """Commands whose replies Redis 8.10 gives, and 7.0 does not: the file stores them."""
    name = "1"
    ours.fresh()
    for step in transcript.load(path):
        if step.kind == "section":
            name = "1"
            ours.fresh()
        elif step.kind == "connection":
            name = step.text
        elif step.kind == "sleep":
            time.sleep(int(step.text) / 1000)
        else:
            got = show(ours.do(step, name))
            expected = step.reply or ["(no reply is stored)"]
            report.check(matches(got, expected), f"{path.name}:{step.line_number}", "\n".join(
                [transcript.show_command(step.words), "8.10:   " + "\n        ".join(expected),
                 "DiskDB: " + "\n        ".join(got)]))


def matches(got, expected):
    """`?` is any reply; a line that ends in `*` stands for all lines that begin like it."""
    if expected == ["?"]:
        return True
    return len(got) == len(expected) and all(
        a.startswith(b[:-1]) if b.startswith("-") and b.endswith("*") else a == b for a, b in zip(got, expected))


def compare_databases(ours, theirs, report, where):
    digests = [side.connection("digest").raw("DEBUG", "DIGEST") for side in (ours, theirs)]
    report.check(digests[0] == digests[1], f"{where}: DEBUG DIGEST", f"Redis {digests[1]!r}\nDiskDB {digests[0]!r}")


# -- random commands -----------------------------------------------------------------------------------------------

class Differs(Exception):
    def __init__(self, index, words, got, expected):
        super().__init__()
        self.index, self.words, self.got, self.expected = index, words, got, expected


def touch_everything():
    """Commands after which no logically expired key is left, and what must be equal then."""
    commands = []
    for database in range(DATABASES):
        commands += [[b"SELECT", b"%d" % database], [b"EXISTS"] + ALL_KEYS, [b"DBSIZE"]]
    return commands + [[b"DEBUG", b"DIGEST"], [b"SELECT", b"0"]]


def scan_all(connection):
    """All keys of the selected database, by a whole SCAN."""
    cursor, keys = b"0", set()
    while True:
        cursor, page = connection.call("SCAN", cursor, "COUNT", 7)
        keys.update(page)
        if cursor == b"0":
            return sorted(keys)


def exchange(ours, theirs, commands, first_index):
    """Sends commands to both and raises Differs at the first difference."""
    for start in range(0, len(commands), BATCH):
        part = commands[start:start + BATCH]
        expected = theirs.connection().pipeline(part)
        try:
            got = ours.connection().pipeline(part)
        except (ConnectionError, TimeoutError, ValueError) as problem:
            raise Differs(first_index + start, part[0], f"-({problem!r}) in the batch that begins here\r\n".encode(), expected[0])
        if got == expected:
            continue
        for i, (words, a, b) in enumerate(zip(part, got, expected)):
            if not masks.alike(words, a, b, is_random=True):
                raise Differs(first_index + start + i, words, a, b)


def run_random(ours, theirs, seed, arguments, report):
    """The commands of one seed. Returns whether all replies were alike."""
    count, check_every = arguments.commands, arguments.check_every
    for side in (ours, theirs):
        side.fresh()
    # An encoding may be chosen anew by the replay, as it may by Redis's own.
    without = ["OBJECT", "ENCODING", "ENCODING of sorted sets"] if arguments.kill else []
    generator = Generator(seed, without, arguments.match or [""])
    done = []
    try:
        while len(done) < count:
            commands = generator.commands(min(check_every, count - len(done)))
            first = len(done)
            done += commands
            exchange(ours, theirs, commands, first)
            exchange(ours, theirs, touch_everything(), len(done))
            check_scan(ours, theirs, len(done))
            check_payloads(ours, theirs, len(done))
            done.append([b"SELECT", b"0"])  # so that a replay of `done` has the same databases selected
            if arguments.kill:
                ours.restart()
    except Differs as difference:
        report.fail(f"random commands, seed {seed}, command {difference.index}", "\n".join(
            [transcript.show_command(difference.words), "Redis:  " + "\n        ".join(show(difference.expected)),
             "DiskDB: " + "\n        ".join(show(difference.got))]))
        if ours.server.is_alive():
            print("     looking for a shorter way there:", flush=True)
            for words in minimise(ours, theirs, done[:difference.index + 1]):
                print("     " + transcript.show_command(words), flush=True)
        else:
            print(f"     the server ended: {ours.server.output()[-1500:]}", flush=True)
        return False
    report.ok(f"seed {seed}")
    return True


def check_scan(ours, theirs, index):
    got, expected = (scan_all(side.connection()) for side in (ours, theirs))
    if got != expected:
        raise Differs(index, [b"SCAN", b"(whole)"], repr(got).encode() + b"\r\n", repr(expected).encode() + b"\r\n")


def check_payloads(ours, theirs, index):
    """What one server dumps, the other restores to the same value."""
    copy = "a restored copy"
    for giver, taker in ((ours, theirs), (theirs, ours)):
        for key in scan_all(giver.connection()):
            payload = giver.connection().call("DUMP", key)
            expected = giver.connection().call("DEBUG", "DIGEST-VALUE", key)
            ttl = 1_000_000 if giver.connection().call("PTTL", key) >= 0 else 0  # a digest knows whether there is one
            restored = taker.connection().call("RESTORE", copy, ttl, payload)
            got = taker.connection().call("DEBUG", "DIGEST-VALUE", copy)
            taker.connection().call("DEL", copy)
            if got != expected:
                raise Differs(index, [b"RESTORE", key, payload], b"%r %r\r\n" % (restored, got), b"%r\r\n" % (expected,))


def still_differs(ours, theirs, commands):
    for side in (ours, theirs):
        side.fresh()
    try:
        exchange(ours, theirs, commands + touch_everything(), 0)
        return False
    except Differs as difference:
        return difference.index >= 0


def minimise(ours, theirs, commands, seconds=30):
    """Roughly: drop halves, quarters, ... as long as the servers still differ."""
    deadline = time.monotonic() + seconds
    tail = commands[-4000:]
    if len(tail) < len(commands) and still_differs(ours, theirs, tail):
        commands = tail
    size = max(1, len(commands) // 2)
    while time.monotonic() < deadline and ours.server.is_alive():
        start, shrunk = 0, False
        while start < len(commands) and time.monotonic() < deadline:
            candidate = commands[:start] + commands[start + size:]
            if candidate and still_differs(ours, theirs, candidate):
                commands, shrunk = candidate, True
            else:
                start += size
        if size == 1 and not shrunk:
            break
        size = max(1, size // 2)
    return commands[-40:]


# -- main ----------------------------------------------------------------------------------------------------------

def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--only", choices=("cases", "newer", "random"), help="one part (default: all)")
    parser.add_argument("--file", action="append", help="of the cases only these files, by stem (string, generic, ...)")
    parser.add_argument("--seed", type=int, help="the random part's first seed (default: from the clock)")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds (default: %(default)s)")
    parser.add_argument("--commands", type=int, default=10_000, help="commands a seed (default: %(default)s)")
    parser.add_argument("--keep-going", action="store_true", help="try the other seeds after one that differs")
    parser.add_argument("--match", action="append", metavar="TEXT",
                        help="of the random commands only rows of the table whose name begins with it (may be repeated)")
    parser.add_argument("--check-every", type=int, default=1000, help="commands between two digests (default: %(default)s)")
    parser.add_argument("--kill", action="store_true",
                        help="kill -9 and restart DiskDB at every digest: its replies must not show it")
    parser.add_argument("--deadline", type=int, default=600, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="name every comparison")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    # 7.0 has no listpack of members: without it the encodings of sets are the same.
    sets_as_in_7_0 = () if arguments.binary == "redis" else ("--set-max-listpack-entries", "0")
    ours, theirs = Side(servers.diskdb(arguments.binary, None, *sets_as_in_7_0)), Side(servers.redis())
    for side in (ours, theirs):
        side.server.start()
    if arguments.only in (None, "cases"):
        for path in sorted((HERE / "cases").glob("*.txt")):
            if not arguments.file or path.stem in arguments.file:
                before = report.passed, report.failed
                run_cases(path, ours, theirs, report, arguments.verbose)
                print(f"{path.stem}: {report.passed - before[0]} passed, {report.failed - before[1]} failed", flush=True)
    if arguments.only in (None, "newer") and arguments.binary != "redis":
        run_newer(HERE / "newer.txt", ours, report)
    if arguments.only in (None, "random"):
        first = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 30)
        for seed in range(first, first + arguments.seeds):
            is_alike = run_random(ours, theirs, seed, arguments, report)
            if not is_alike and not arguments.keep_going:
                break
        print(f"random commands from seed {first} on: {arguments.commands} each", flush=True)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
