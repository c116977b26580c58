#!/usr/bin/python3
"""Compares what DiskDB says of its commands with what Debian's Redis 7.0 says of the same ones.

COMMAND INFO: arity, flags, first and last key and step, ACL categories, tips, key specs. COMMAND DOCS: group, since, doc
flags and the tree of arguments; summaries and complexities are said in words of our own. Commands that only one of
the two has are not compared. A difference passes if differences.txt gives its reason; a reason without a difference fails.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers  # noqa: E402
from lib.report import Report  # noqa: E402

INFO_FIELDS = ("name", "arity", "flags", "first", "last", "step", "categories", "tips", "key_specs")
UNORDERED = {"flags", "categories", "tips", "key_specs"}
DOC_FIELDS = ("group", "since", "doc_flags", "deprecated_since")


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def plain(value):
    """Bytes as text, all the way down."""
    return [plain(element) for element in value] if isinstance(value, list) else text(value)


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def show_argument(argument):
    """An argument as one line of text, its parts in brackets."""
    fields = pairs(argument)
    shown = f"{fields['name']}:{fields['type']}"
    if "key_spec_index" in fields:
        shown += f"#{fields['key_spec_index']}"
    if fields.get("token"):
        shown += f" token={fields['token']}"
    if fields.get("flags"):
        shown += " " + "+".join(sorted(fields["flags"]))
    if "arguments" in fields:
        shown += " [" + ", ".join(map(show_argument, fields["arguments"])) + "]"
    return shown


def describe(connection):
    """{command: {field: value}}, subcommands too."""
    commands = {}

    def add_info(info):
        row = {name: sorted(map(str, value)) if name in UNORDERED else value
               for name, value in zip(INFO_FIELDS, info)}
        commands[row.pop("name")] = row
        for subcommand in info[9]:
            add_info(subcommand)

    def add_docs(names_and_docs):
        for name, docs in pairs(names_and_docs).items():
            fields = pairs(docs)
            commands[name].update({field: fields.get(field) for field in DOC_FIELDS})
            commands[name]["arguments"] = "; ".join(map(show_argument, fields.get("arguments", [])))
            add_docs(fields.get("subcommands", []))

    for info in plain(connection.call("COMMAND")):
        add_info(info)
    add_docs(plain(connection.call("COMMAND", "DOCS")))
    return commands


def read_reasons(path):
    """{(command, field): reason} of lines `command field: reason`."""
    reasons = {}
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            where, reason = line.split(": ", 1)
            reasons[tuple(where.rsplit(" ", 1))] = reason
    return reasons


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers.add_binary_argument(parser)
    arguments = parser.parse_args()
    servers.set_deadline(120)
    report = Report()
    reasons = read_reasons(HERE / "differences.txt")

    oracle, server = servers.redis(), servers.diskdb(arguments.binary)
    oracle.start()
    server.start()
    with oracle.connect() as redis, server.connect() as diskdb:
        theirs, ours = describe(redis), describe(diskdb)
    common = sorted(theirs.keys() & ours.keys())
    report.check(len(common) > 100, f"{len(common)} commands in common")
    for name in common:
        for field, expected in theirs[name].items():
            got = ours[name][field]
            if (name, field) in reasons:
                report.check(got != expected, f"{name} {field}: there is a difference to explain")
                del reasons[name, field]
            else:
                report.check(got == expected, f"{name} {field}", f"Redis:  {expected}\nDiskDB: {got}")
    for name, field in reasons:
        report.fail(f"{name} {field}: a reason is given for what is not compared")
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
