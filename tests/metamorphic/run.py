#!/usr/bin/python3
"""What must be so whatever a stream or a JSON document holds: relations between replies, for which no oracle is needed.

A seed makes random streams, groups and documents, and each relation is asked of them: a range and its reverse, a whole and
its parts, a change and its opposite, one command and several that mean the same, a value and its copy. Meanwhile checkpoints
are taken, and other values leave so little memory that pages go cold; every few seeds the server is killed and started again.
Streams' relations hold of Redis as well (--binary redis).

    tests/metamorphic/run.py
    tests/metamorphic/run.py --seeds 200
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers, watch  # noqa: E402
from lib.report import Report  # noqa: E402
from lib.resp import ReplyError, decode  # noqa: E402

ROUNDS = 12          # of relations, of each seed and type
ENTRIES_MAX = 1500
DEPTH_MAX = 4


class Subject:
    """The server, and what the relations of a seed need of it."""

    def __init__(self, server, seed):
        self.connection = server.connect(timeout=60)
        self.random = random.Random(seed)

    def call(self, *words):
        value = decode(self.connection.raw(*words))
        if isinstance(value, ReplyError):
            raise SystemExit(f"{words[:6]}: {value}")
        return value

    def digest(self, key):
        return self.call("DEBUG", "DIGEST-VALUE", key)[0]

    def chance(self, part):
        return self.random.random() < part


class Differs(Exception):
    """A relation does not hold."""


def same(one, other, what):
    if one != other:
        raise Differs(f"{what}:\n{str(one)[:600]}\n{str(other)[:600]}")


# ---- Streams.

def id_text(entry):
    return b"%d-%d" % entry


class StreamSubject(Subject):
    def make(self):
        """A stream whose ids grow by one, by a little, or by more than 32 bits hold; some entries go again."""
        self.call("DEL", "s")
        ms, seq = self.random.randrange(3), 1
        step_max = self.random.choice([1, 1, 50, 1 << 34])
        names = self.random.choice([[b"field"], [b"a", b"b"], [b"temperature", b"humidity", b"device"]])
        self.ids = []
        for n in range(self.random.randrange(1, self.random.choice([5, 200, ENTRIES_MAX]))):
            if self.chance(0.7):
                ms, seq = ms + self.random.randrange(1, step_max + 1), self.random.choice([0, 0, 0, 7, 300])
            else:
                seq += self.random.choice([1, 1, 70])
            if self.chance(0.01):
                names = [b"name%d" % n]
            self.ids.append((ms, seq))
            self.add("s", (ms, seq), names)
        for entry in self.random.sample(self.ids, self.random.randrange(len(self.ids))) if self.chance(0.3) else []:
            self.call("XDEL", "s", id_text(entry))
            self.ids.remove(entry)

    def add(self, key, entry, names):
        words = []
        for name in names:
            words += [name, self.random.choice([b"21", b"-7", b"x" * self.random.randrange(80), b"value", b"00", b"\xff\0"])]
        self.call("XADD", key, id_text(entry), *words)

    def some_id(self):
        """Not the first of all: nothing is before it."""
        if self.ids and self.chance(0.8):
            return self.random.choice(self.ids)
        return (self.random.randrange(1, 1 << self.random.choice([4, 12, 40])), self.random.randrange(3))

    def whole(self, key="s"):
        return self.call("XRANGE", key, "-", "+")

    def copy(self, to="t"):
        self.call("DEL", to)
        self.call("COPY", "s", to)

    # Each of these is a relation.

    def length_is_that_of_the_range(self):
        same(self.call("XLEN", "s"), len(self.whole()), "XLEN")
        same([id_text(i) for i in self.ids], [entry[0] for entry in self.whole()], "ids")

    def reverse_is_the_range_reversed(self):
        low, high = sorted((self.some_id(), self.some_id()))
        forward = self.call("XRANGE", "s", id_text(low), id_text(high))
        same(forward, self.call("XREVRANGE", "s", id_text(high), id_text(low))[::-1], f"XREVRANGE {high} {low}")

    def parts_are_the_whole(self):
        middle = id_text(self.some_id())
        upto, behind = self.call("XRANGE", "s", "-", middle), self.call("XRANGE", "s", b"(" + middle, "+")
        same(upto + behind, self.whole(), f"up to {middle}")
        before, onwards = self.call("XRANGE", "s", "-", b"(" + middle), self.call("XRANGE", "s", middle, "+")
        same(before + onwards, self.whole(), f"from {middle}")

    def pages_are_the_whole(self):
        count = self.random.choice([1, 7, 100]) if len(self.ids) < 300 else 97
        pages, start = [], b"-"
        while True:
            page = self.call("XRANGE", "s", start, "+", "COUNT", count)
            pages += page
            if len(page) < count:
                break
            start = b"(" + page[-1][0]
        same(pages, self.whole(), f"pages of {count}")

    def xread_is_what_lies_behind(self):
        since = id_text(self.some_id())
        read = self.call("XREAD", "STREAMS", "s", since)
        behind = self.call("XRANGE", "s", b"(" + since, "+")
        same(read[0][1] if read else [], behind, f"XREAD from {since}")

    def trims_leave_the_end(self):
        self.copy()
        left = self.random.randrange(len(self.ids) + 2)
        self.call("XTRIM", "t", "MAXLEN", left)
        same(self.whole("t"), self.whole()[max(len(self.ids) - left, 0):], f"MAXLEN {left}")
        self.copy()
        first = id_text(self.some_id())
        self.call("XTRIM", "t", "MINID", first)
        same(self.whole("t"), self.call("XRANGE", "s", first, "+"), f"MINID {first}")

    def order_of_deletions_does_not_matter(self):
        gone = [id_text(i) for i in self.random.sample(self.ids, min(len(self.ids), self.random.randrange(30)))]
        self.copy("t")
        self.copy("u")
        if gone:
            self.call("XDEL", "t", *gone)
        for entry in sorted(gone):
            self.call("XDEL", "u", entry)
        same(self.whole("t"), self.whole("u"), f"XDEL {gone}")
        same(self.whole("t"), [entry for entry in self.whole() if entry[0] not in gone], "what XDEL leaves")

    def copies_are_the_same(self):
        self.copy()
        same(self.digest("t"), self.digest("s"), "COPY")
        payload = self.call("DUMP", "s")
        self.call("RESTORE", "u", "0", payload, "REPLACE")
        same(self.digest("u"), self.digest("s"), "RESTORE")
        one, other = (self.call("XINFO", "STREAM", key, "FULL", "COUNT", "3") for key in ("s", "u"))
        same(one, other, "XINFO")

    def entries_added_again_are_the_same(self):
        self.call("DEL", "t")
        for name, words in self.whole()[:200]:
            self.call("XADD", "t", name, *words)
        same(self.whole("t"), self.whole()[:200], "XADD of what XRANGE said")

    def groups_share_all_entries(self):
        self.copy()
        for group in ("one", "many"):
            self.call("XGROUP", "CREATE", "t", group, "0")
        read = {}
        for consumer in [self.random.choice(["a", "b", "c"]) for _ in range(40)]:
            count = self.random.randrange(1, 100)
            got = self.call("XREADGROUP", "GROUP", "many", consumer, "COUNT", count, "STREAMS", "t", ">")
            read.setdefault(consumer, []).extend(got[0][1] if got else [])
        rest = self.call("XREADGROUP", "GROUP", "many", "a", "STREAMS", "t", ">")
        read.setdefault("a", []).extend(rest[0][1] if rest else [])
        at_once = self.call("XREADGROUP", "GROUP", "one", "a", "STREAMS", "t", ">")
        whole = self.whole("t")
        by_id = {entry[0]: entry for entries in read.values() for entry in entries}
        same([by_id.get(entry[0]) for entry in whole], whole, "what the consumers read together")
        same(at_once[0][1] if at_once else [], whole, "what one reads at once")
        for consumer, entries in read.items():
            history = self.call("XREADGROUP", "GROUP", "many", consumer, "STREAMS", "t", "0")
            same(history[0][1] if history else [], entries, f"history of {consumer}")
            own = self.call("XPENDING", "t", "many", "-", "+", 10_000, consumer)
            same([row[0] for row in own], [entry[0] for entry in entries], f"XPENDING of {consumer}")
        same(self.call("XPENDING", "t", "many")[:3], self.call("XPENDING", "t", "one")[:3], "XPENDING")
        self.call("XAUTOCLAIM", "t", "many", "d", "0", "0", "COUNT", 10_000)
        claimed = self.call("XPENDING", "t", "many", "-", "+", 10_000, "d")
        same([row[0] for row in claimed], [entry[0] for entry in whole], "XAUTOCLAIM")
        if whole:
            same(self.call("XACK", "t", "many", *[entry[0] for entry in whole]), len(whole), "XACK")
        self.call("XGROUP", "DELCONSUMER", "t", "one", "a")
        same(self.call("XPENDING", "t", "many"), self.call("XPENDING", "t", "one"), "nothing is pending")


STREAM_RELATIONS = (
    StreamSubject.length_is_that_of_the_range, StreamSubject.reverse_is_the_range_reversed, StreamSubject.parts_are_the_whole,
    StreamSubject.pages_are_the_whole, StreamSubject.xread_is_what_lies_behind, StreamSubject.trims_leave_the_end,
    StreamSubject.order_of_deletions_does_not_matter, StreamSubject.copies_are_the_same,
    StreamSubject.entries_added_again_are_the_same, StreamSubject.groups_share_all_entries)


# ---- JSON.

class JsonSubject(Subject):
    """The document is an array of objects, so that every relation finds something; what is in them is random."""

    def value(self, depth):
        kind = self.random.randrange(9 if depth > 0 else 6)
        if kind == 0:
            return self.random.choice([None, True, False])
        if kind == 1:
            return self.random.randrange(-(1 << 40), 1 << 40)
        if kind == 2:
            return self.random.randrange(-1000, 1000) / 8
        if kind <= 5:
            size = self.random.randrange(3000)
            return self.random.choice(["", "x", "quote\" \\ \n", "ä" * (size % 9), "t" * size])
        count = self.random.randrange(self.random.choice([3, 8, 60]))
        if kind == 6:
            return [self.value(depth - 1) for _ in range(count)]
        return {f"m{self.random.randrange(40)}": self.value(depth - 1) for _ in range(count)}

    def item(self):
        members = {f"m{n}": self.value(DEPTH_MAX) for n in self.random.sample(range(40), 5)}
        numbers = [self.random.randrange(9) for _ in range(self.random.randrange(20))]
        return {**members, "n": self.random.randrange(100), "l": numbers}

    def make(self):
        count = self.random.randrange(1, self.random.choice([4, 12]))
        self.items = [self.item() for _ in range(count)]
        self.call("DEL", "d")
        self.call("JSON.SET", "d", "$", json.dumps(self.items))

    def get(self, path, key="d"):
        return json.loads(self.call("JSON.GET", key, path))

    def some(self):
        return self.random.randrange(len(self.items))

    def unchanged(self, what):
        same(self.get("$"), [self.items], what)

    # Each of these is a relation.

    def the_text_is_the_document(self):
        self.unchanged("JSON.GET")
        self.call("JSON.SET", "e", "$", self.call("JSON.GET", "d"))
        same(self.digest("e"), self.digest("d"), "JSON.SET of what JSON.GET said")

    def copies_are_the_same(self):
        self.call("COPY", "d", "e", "REPLACE")
        same(self.digest("e"), self.digest("d"), "COPY")
        self.call("RESTORE", "e", "0", self.call("DUMP", "d"), "REPLACE")
        same(self.digest("e"), self.digest("d"), "RESTORE")

    def a_member_set_to_itself_changes_nothing(self):
        at = self.some()
        for name, value in self.random.sample(sorted(self.items[at].items()), 3):
            path = f"$[{at}].{name}"
            same(self.get(path), [value], path)
            before = self.digest("d")
            self.call("JSON.SET", "d", path, json.dumps(value))
            same(self.digest("d"), before, f"JSON.SET {path}")

    def legacy_paths_lead_to_the_same(self):
        at = self.some()
        name = self.random.choice(sorted(self.items[at]))
        same([self.get(f"[{at}].{name}")], self.get(f"$[{at}].{name}"), name)
        path = f"$[{at}].{name}"
        same(self.call("JSON.MGET", "d", "none", path), [self.call("JSON.GET", "d", path), None], "JSON.MGET")

    def slices_are_the_whole(self):
        cut = self.random.randrange(-3, len(self.items) + 2)
        same(self.get(f"$[:{cut}]") + self.get(f"$[{cut}:]"), self.get("$[*]"), f"cut at {cut}")
        step = self.random.randrange(1, 4)
        same(self.get(f"$[::{step}]"), self.items[::step], f"steps of {step}")
        at, other = self.some(), self.some()
        same(self.get(f"$[{at},{other}]"), self.get(f"$[{at}]") + self.get(f"$[{other}]"), "a union")
        same(self.get(f'$[{at}]["n","l"]'), self.get(f"$[{at}].n") + self.get(f"$[{at}].l"), "a union of names")

    def a_filter_and_its_opposite_are_the_whole(self):
        numbers = [self.random.randrange(100) for _ in range(30)]
        test = self.random.choice([f"@.n<{numbers[0]}", f"@.m{numbers[0] % 40}", "@.l[*]==3", "@.l empty true",
                                   f"@.n in {numbers}", "@.l subsetof [0,1,2,3,4]", f"@.l size {numbers[0] % 20}", "@..m1",
                                   "@.n>50 && @.l anyof [1] || @.n==7", "length(@.l) * 2 > @.n % 30", "@.l.sum() > 40"])
        chosen, others = self.get(f"$[?({test})]"), self.get(f"$[?!({test})]")
        same(sorted(map(json.dumps, chosen + others)), sorted(map(json.dumps, self.items)), test)
        same(chosen, [item for item in self.items if item in chosen], f"order of {test}")
        same(self.get(f"$[?!!({test})]"), chosen, f"twice the opposite of {test}")

    def descent_meets_all_children(self):
        name = f"m{self.random.randrange(40)}"

        def collect(value):
            children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            own = [value[name]] if isinstance(value, dict) and name in value else []
            return own + [found for child in children for found in collect(child)]
        same(self.get(f"$..{name}"), collect(self.items), f"$..{name}")

    def opposites_undo(self):
        at, by = self.some(), self.random.randrange(-1000, 1000)
        before = self.digest("d")
        self.call("JSON.NUMINCRBY", "d", f"$[{at}].n", by)
        self.call("JSON.NUMINCRBY", "d", f"$[{at}].n", -by)
        same(self.digest("d"), before, f"JSON.NUMINCRBY {by} and {-by}")
        value = json.dumps(self.value(2))
        index = self.random.randrange(len(self.items[at]["l"]) + 1)
        self.call("JSON.ARRINSERT", "d", f"$[{at}].l", index, value)
        same(json.loads(self.call("JSON.ARRPOP", "d", f"$[{at}].l", index)[0]), json.loads(value), f"JSON.ARRPOP at {index}")
        same(self.digest("d"), before, f"JSON.ARRINSERT and JSON.ARRPOP at {index}")
        self.call("JSON.SET", "d", f"$[{at}].another", value)
        self.call("JSON.DEL", "d", f"$[{at}].another")
        same(self.digest("d"), before, "JSON.SET of a new member and JSON.DEL")
        self.call("JSON.SET", "d", f"$[{at}].flag", "true")
        self.call("JSON.TOGGLE", "d", f"$[{at}].flag")
        self.call("JSON.TOGGLE", "d", f"$[{at}].flag")
        same(self.get(f"$[{at}].flag"), [True], "JSON.TOGGLE twice")
        self.call("JSON.DEL", "d", f"$[{at}].flag")
        same(self.digest("d"), before, "a flag that came and went")

    def merging_is_setting(self):
        at, name, value = self.some(), self.random.choice(["m1", "n", "l", "new"]), self.value(1)
        if isinstance(value, dict) or value is None:
            value = 7
        self.call("COPY", "d", "e", "REPLACE")
        self.call("COPY", "d", "f", "REPLACE")
        self.call("JSON.MERGE", "e", f"$[{at}]", json.dumps({name: value}))
        self.call("JSON.SET", "f", f"$[{at}].{name}", json.dumps(value))
        same(self.get("$", "e"), self.get("$", "f"), f"JSON.MERGE of {name}")
        self.call("JSON.MERGE", "e", f"$[{at}]", json.dumps({name: None}))
        self.call("JSON.DEL", "f", f"$[{at}].{name}")
        same(self.get("$", "e"), self.get("$", "f"), f"JSON.MERGE of null for {name}")
        self.call("JSON.MERGE", "e", f"$[{at}]", "{}")
        same(self.get("$", "e"), self.get("$", "f"), "JSON.MERGE of nothing")

    def lengths_are_those_of_what_is_there(self):
        at = self.some()
        same(self.call("JSON.ARRLEN", "d", "$"), [len(self.items)], "JSON.ARRLEN")
        same(self.call("JSON.OBJLEN", "d", f"$[{at}]"), [len(self.items[at])], "JSON.OBJLEN")
        same([k.decode() for k in self.call("JSON.OBJKEYS", "d", f"$[{at}]")[0]], list(self.items[at]), "JSON.OBJKEYS")
        same(self.call("JSON.ARRLEN", "d", f"$[{at}].l"), [len(self.items[at]["l"])], "JSON.ARRLEN of l")

    def parts_set_one_by_one_are_the_document(self):
        self.call("JSON.SET", "e", "$", "[]")
        for at, item in enumerate(self.items):
            self.call("JSON.ARRAPPEND", "e", "$", "{}")
            for name, value in item.items():
                self.call("JSON.SET", "e", f"$[{at}].{name}", json.dumps(value))
        same(self.digest("e"), self.digest("d"), "a document made of its parts")
        self.call("JSON.CLEAR", "e", "$")
        self.call("JSON.ARRAPPEND", "e", "$", *[json.dumps(item) for item in self.items])
        same(self.digest("e"), self.digest("d"), "a document made of its elements")


JSON_RELATIONS = (
    JsonSubject.the_text_is_the_document, JsonSubject.copies_are_the_same, JsonSubject.a_member_set_to_itself_changes_nothing,
    JsonSubject.legacy_paths_lead_to_the_same, JsonSubject.slices_are_the_whole,
    JsonSubject.a_filter_and_its_opposite_are_the_whole,
    JsonSubject.descent_meets_all_children, JsonSubject.opposites_undo, JsonSubject.merging_is_setting,
    JsonSubject.lengths_are_those_of_what_is_there, JsonSubject.parts_set_one_by_one_are_the_document)


# ---- Running.

def fill_memory(server):
    """With more than there is."""
    with server.connect(timeout=60) as connection:
        for n in range(6000):
            connection.raw("SET", f"other:{n}", b"x" * 4000)
        connection.raw("BGSAVE")


def evictions_of(server):
    """Since it was started."""
    with server.connect() as connection:
        return watch.info(connection)["tier_evictions"]


def run_seed(server, kind, relations, seed, is_diskdb):
    """None, or what does not hold."""
    subject = kind(server, seed)
    with subject.connection:
        subject.make()
        if is_diskdb and subject.chance(0.5):
            subject.connection.raw("BGSAVE")  # one may run already
        for relation in subject.random.choices(relations, k=ROUNDS):
            try:
                relation(subject)
            except Differs as difference:
                return f"{relation.__name__}: {difference}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    servers.add_binary_argument(parser)
    parser.add_argument("--seed", type=int, help="the first seed (default: from the clock)")
    parser.add_argument("--seeds", type=int, default=20, help="how many, of each type (default: %(default)s)")
    parser.add_argument("--deadline", type=int, default=600, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    is_diskdb = arguments.binary != "redis"
    options = ("--maxmemory", "16mb") if is_diskdb else ("--enable-debug-command", "yes")
    server = servers.diskdb(arguments.binary, None, *options)
    server.start()
    if is_diskdb:
        fill_memory(server)
    first = int(time.time()) % 1_000_000 if arguments.seed is None else arguments.seed
    evictions = 0
    subjects = {"stream": (StreamSubject, STREAM_RELATIONS), "json": (JsonSubject, JSON_RELATIONS)}
    for seed in range(first, first + arguments.seeds):
        if is_diskdb and (seed - first) % 7 == 6:
            evictions += evictions_of(server)
            server.kill()
            server.start()
        for name, (kind, relations) in subjects.items():
            if name == "json" and not is_diskdb:
                continue
            wrong = run_seed(server, kind, relations, seed, is_diskdb)
            report.check(wrong is None, f"{name}, seed {seed}", wrong or "")
    if is_diskdb:
        evictions += evictions_of(server)
        report.check(evictions > 0, f"{evictions} evictions")
    server.kill()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
