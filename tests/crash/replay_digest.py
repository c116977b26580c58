#!/usr/bin/python3
"""Replays the log after every batch of random commands into a second instance and compares the two.

Effects that are forgotten in the log show up at once: DEBUG DIGEST, DBSIZE and the expiry times must be equal.
"""

import argparse
import random
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "differential"))

from lib import servers, transcript  # noqa: E402
from lib.report import Report  # noqa: E402
from random_commands import ALL_KEYS, DATABASES, Generator  # noqa: E402


def summary(connection):
    """Everything that must survive. Not the encoding: INCRBYFLOAT is logged as SET, which may choose another."""
    lines = {}
    for database in range(DATABASES):
        connection.call("SELECT", database)
        connection.call("EXISTS", *ALL_KEYS)  # what has expired goes now
        lines[f"db{database} DBSIZE"] = connection.raw("DBSIZE")
        for key in ALL_KEYS:
            lines[f"db{database} {key!r}"] = b" ".join(
                connection.raw(*words) for words in (["DEBUG", "DIGEST-VALUE", key], ["PEXPIRETIME", key]))
    lines["DIGEST"] = connection.raw("DEBUG", "DIGEST")
    return lines


def copy_of(server, arguments):
    """A second server on a copy of the first one's folder, as a crash would leave it."""
    twin = servers.diskdb(arguments.binary)
    shutil.copytree(server.folder, twin.folder, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("*.lock", "LOCK", "lock", "*.pid"))
    twin.start()
    return twin


def newest_commands(words_list):
    return "\n".join(transcript.show_command(words) for words in words_list[-60:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--batches", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--commands", type=int, default=300, help="commands a batch (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="default: from the clock")
    parser.add_argument("--deadline", type=int, default=300, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 30)
    report, generator = Report(arguments.verbose), Generator(seed)
    server = servers.diskdb(arguments.binary)
    server.start()
    load, watch = server.connect(), server.connect()
    for batch in range(arguments.batches):
        commands = generator.commands(arguments.commands)
        load.pipeline(commands)
        expected = summary(watch)
        twin = copy_of(server, arguments)
        found = summary(twin.connect())
        twin.kill()
        shutil.rmtree(twin.folder)
        differing = [f"{name}: {expected[name]!r}, replayed {found[name]!r}" for name in expected
                     if expected[name] != found[name]]
        if not report.check(not differing, f"seed {seed}, batch {batch}",
                            "\n".join(differing[:10]) + "\nafter these commands:\n" + newest_commands(commands)):
            break
    print(f"{arguments.batches} batches of {arguments.commands} commands, seed {seed}", flush=True)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
