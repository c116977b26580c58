#!/usr/bin/python3
"""Debian's package index through DiskDB: load it with redis-cli --pipe, kill -9, restart, compare every value.

    apt-cache dumpavail | tests/dataset/packages.py --print | redis-cli -p 6380 --pipe

loads it into a running server: key pkg:NAME, value the package's whole stanza. Without --print the script starts a
server of its own, does the same, kills it and checks it.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def packages(index):
    """(key, value) for every stanza. A name may occur more than once: the last one wins, as with any SET."""
    for stanza in index.split(b"\n\n"):
        if stanza.startswith(b"Package: "):
            name = stanza.split(b"\n", 1)[0][len(b"Package: "):]
            yield b"pkg:" + name, stanza


def as_commands(index):
    """SET commands in RESP, as redis-cli --pipe wants them."""
    for key, value in packages(index):
        yield b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, len(value), value)


def check(arguments):
    from lib import servers
    from lib.report import Report
    servers.set_deadline(300)
    report = Report(verbose=True)
    index = subprocess.run(["apt-cache", "dumpavail"], stdout=subprocess.PIPE,
                           check=True).stdout
    source = dict(packages(index))
    if not report.check(source, "apt knows packages", "its lists are empty: run apt-get update"):
        return report.finish()
    server = servers.diskdb(arguments.binary)
    server.start()

    begin = time.monotonic()
    loaded = subprocess.run(["redis-cli", "-p", str(server.port), "--pipe"],
                            input=b"".join(as_commands(index)), stdout=subprocess.PIPE,
                            check=False).stdout.decode()
    seconds = time.monotonic() - begin
    report.check("errors: 0" in loaded, f"{len(list(packages(index)))} stanzas, "
                 f"{len(index) / 1e6:.0f} MB, loaded in {seconds:.1f} s", loaded)

    server.kill()
    ready_after = server.start()
    connection = server.connect()
    report.equal(connection.call("DBSIZE"), len(source),
                 f"after kill -9: ready in {ready_after:.2f} s with {len(source)} keys")
    names = list(source)
    wrong = []
    for first in range(0, len(names), 500):
        part = names[first:first + 500]
        values = connection.call("MGET", *part)
        wrong += [name for name, value in zip(part, values) if value != source[name]]
    report.check(not wrong, f"each of the {len(names)} values equals its source",
                 f"{len(wrong)} differ, such as {wrong[:5]}")
    return report.finish()


def main():
    from lib import servers
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    parser.add_argument("--print", action="store_true",
                        help="turn `apt-cache dumpavail` on standard input into RESP")
    arguments = parser.parse_args()
    if arguments.print:
        sys.stdout.buffer.writelines(as_commands(sys.stdin.buffer.read()))
        return
    sys.exit(check(arguments))


if __name__ == "__main__":
    main()
