"""A seeded generator of commands for the differential test: plausible ones mostly, wrong ones often enough.

A small key space makes commands meet; edge values (limits of integers, offsets, empty and binary strings) make
them hurt. Expiry times lie far in the future or in the past, so that no key dies between two comparisons.
"""

import random

KEYS = [b"k%d" % i for i in range(10)] + [b"", b"key with space", b"bin\x00\xff\r\n", b"{tag}a", b"{tag}b", b"k" * 70]
# The only ones with large offsets, so that GET and LCS stay cheap; they cross the size from which DiskDB keeps strings in pages.
LARGE_KEYS = [b"large0", b"large1"]
COUNTER_KEYS = [b"n0", b"n1", b"n2"]
# Only PF* and whole-key commands touch these: on a damaged HyperLogLog Redis's PFADD stops half-way through its
# elements, and PFDEBUG reads past the end; DiskDB refuses such a PFADD as a whole.
HLL_KEYS = [b"h0", b"h1", b"h2"]
NOT_HLL_KEY = b"nohll"
LIST_KEYS = [b"l0", b"l1", b"l2", b"{tag}l", b"long list"]
HASH_KEYS = [b"hash0", b"hash1", b"hash2", b"{tag}hash"]
SET_KEYS = [b"set0", b"set1", b"set2", b"{tag}set", b"ints"]
ZSET_KEYS = [b"z0", b"z1", b"z2", b"{tag}z"]
LEX_KEYS = [b"lex0", b"lex1"]  # all members have the score 0: by string nothing else has a meaning
GEO_KEYS = [b"geo0", b"geo1"]
STREAM_KEYS = [b"s0", b"s1", b"s2", b"{tag}s"]
SORTED_KEYS = ZSET_KEYS + LEX_KEYS + GEO_KEYS
ALL_KEYS = (SORTED_KEYS + KEYS + LARGE_KEYS + COUNTER_KEYS + HLL_KEYS + [NOT_HLL_KEY] + HASH_KEYS + SET_KEYS
            + LIST_KEYS + STREAM_KEYS)
DATABASES = 4

INT_EDGES = [b"0", b"1", b"-1", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808",
             b"-9223372036854775809", b"9223372036854775806", b"2147483647", b"-2147483648", b"4294967296", b"+1",
             b"01", b"-0", b"", b" 1", b"1 ", b"1.0", b"1e3", b"abc", b"0x10", b"99999999999999999999"]
FLOAT_EDGES = [b"0.1", b"-0.1", b"1e308", b"-1e308", b"1.7e308", b"inf", b"-inf", b"nan", b"0", b"-0", b"3.0e3", b"5e-324",
               b"1.5abc", b"", b" 1.5", b"1.5 ", b"1e-7", b"123456789012345678", b"0.30000000000000004", b"17179869184.5",
               b"0x1p3", b"1e400", b"+2.5", b".5", b"5."]
# Valid offsets stay small: 2^32 - 1 is valid too, but takes 512 MB. Invalid ones may be as large as they like.
OFFSET_EDGES = [b"-1", b"4294967296", b"9223372036854775807", b"abc", b"", b"99999999999"]
VALUES = [b"", b"0", b"a", b"hello", b"Hello World", b"10", b"-5", b"3.14", b"\x00\x01\x02", b"\xff" * 8, b"\r\n", b"x" * 44,
          b"x" * 45, b"y" * 200, b"  7", b"9223372036854775807", b"ohmytext", b"mynewtext", b"12345678901234567890"]
FAR = 2_000_000_000  # a Unix time beyond any run


class Generator:
    def __init__(self, seed, without=(), beginnings=("",)):
        """`without`: rows of MAKERS to leave out. `beginnings`: of the names of those to take."""
        self.random = random.Random(seed)
        self.entries = 1  # the milliseconds of the newest entry of any stream
        makers = [row for name, row in MAKERS.items() if name not in without and name.startswith(tuple(beginnings))]
        self._makers = [maker for _, maker in makers]
        self._weights = [weight for weight, _ in makers]

    def commands(self, count):
        return [self._spoil(maker(self)) for maker in self.random.choices(self._makers, self._weights, k=count)]

    # -- words ----------------------------------------------------------------------------------------------------

    def pick(self, choices):
        return self.random.choice(choices)

    def chance(self, probability):
        return self.random.random() < probability

    def key(self):
        return self.pick(COUNTER_KEYS if self.chance(0.12) else KEYS)

    def any_key(self):
        return self.pick(LARGE_KEYS) if self.chance(0.1) else self.key()

    def counter(self):
        return self.pick(COUNTER_KEYS) if self.chance(0.8) else self.key()

    def whole_key(self):
        """For commands that keep, drop or copy a value as it is."""
        if self.chance(0.15):
            return self.pick(HASH_KEYS + SET_KEYS + LIST_KEYS)
        return self.pick(HLL_KEYS) if self.chance(0.03) else self.any_key()

    def list_key(self):
        return self.pick(LIST_KEYS) if self.chance(0.96) else self.key()

    def hash_key(self):
        return self.pick(HASH_KEYS) if self.chance(0.96) else self.key()

    def field(self):
        """Few enough to meet, now and then one of many."""
        if self.chance(0.9):
            return b"f%d" % self.random.randrange(30)
        return self.value() if self.chance(0.7) else b"f%d" % self.random.randrange(3000)

    def fields(self, most=4):
        return [self.field() for _ in range(self.random.randint(1, most))]

    def hset(self, name):
        count = self.random.randint(1, 5) if self.chance(0.97) else self.random.randint(100, 700)
        words = [name, self.hash_key()]
        for i in range(count):
            words += [self.field() if count < 10 else b"f%d" % self.random.randrange(3000), self.value()]
        return words

    def set_key(self):
        return self.pick(SET_KEYS) if self.chance(0.96) else self.key()

    def member(self):
        if self.chance(0.6):
            return b"%d" % self.random.randint(-20, 40)
        return b"m%d" % self.random.randrange(30) if self.chance(0.6) else self.value()

    def members(self, most=6):
        return [self.member() for _ in range(self.random.randint(1, most))]

    def sadd(self):
        if self.chance(0.97):
            return [b"SADD", self.set_key()] + self.members()
        prefix = self.pick([b"", b"m"])
        return [b"SADD", self.set_key()] + [prefix + b"%d" % self.random.randrange(2000)
                                            for _ in range(self.random.randint(100, 500))]

    def set_keys(self, most=4):
        return [self.set_key() for _ in range(self.random.randint(1, most))]

    def sintercard(self):
        keys = self.set_keys()
        count = self.pick([b"0", b"-1", b"abc", b"99"]) if self.chance(0.05) else b"%d" % len(keys)
        return [b"SINTERCARD", count] + keys + self.options((b"LIMIT", self.integer), most=1)
    def zset_key(self):
        return self.pick(ZSET_KEYS) if self.chance(0.96) else self.key()

    def score(self):
        if self.chance(0.1):
            return self.pick([b"inf", b"-inf", b"nan", b"1e17", b"1e300", b"abc", b"", b"0.1", b"-0.5", b"4611686018427387904"])
        return b"%d" % self.random.randint(-20, 20) if self.chance(0.7) else b"%.*g" % (
            self.random.randint(1, 17), self.random.uniform(-1e3, 1e3))

    def zmember(self):
        if self.chance(0.95):
            return b"m%d" % self.random.randrange(40)
        return self.value() if self.chance(0.5) else b"m%d" % self.random.randrange(3000)

    def zmembers(self, most=6):
        return [self.zmember() for _ in range(self.random.randint(1, most))]

    def zadd(self):
        words = [b"ZADD", self.zset_key()] + self.options((b"NX",), (b"XX",), (b"GT",), (b"LT",), (b"CH",), (b"INCR",))
        count = self.random.randint(1, 4) if self.chance(0.97) else self.random.randint(60, 400)
        for _ in range(count):
            words += [b"%d" % self.random.randint(-9, 9), b"m%d" % self.random.randrange(3000)] if count > 4 else [
                self.score(), self.zmember()]
        return words

    def zadd_lex(self):
        words = [b"ZADD", self.pick(LEX_KEYS)]
        for _ in range(self.random.randint(1, 9)):
            words += [b"0", self.value()]
        return words

    def score_bound(self):
        if self.chance(0.2):
            return self.pick([b"-inf", b"+inf", b"(-inf", b"(inf", b"(", b"x", b""])
        return self.pick([b"", b"("]) + b"%d" % self.random.randint(-25, 25)

    def lex_bound(self):
        return self.pick([b"-", b"+", b"x", b""]) if self.chance(0.3) else self.pick([b"[", b"("]) + self.value()

    def limit(self):
        return (b"LIMIT", lambda: b"%d" % self.random.randint(-1, 8), lambda: b"%d" % self.random.randint(-1, 8))

    def zrange(self):
        kind = self.pick([b"ZRANGE", b"ZREVRANGE", b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE", b"ZRANGESTORE"])
        by_score = kind.endswith(b"SCORE") or kind in (b"ZRANGE", b"ZRANGESTORE") and self.chance(0.4)
        words = [kind, self.zset_key()] + ([self.zset_key()] if kind == b"ZRANGESTORE" else [])
        words += [self.score_bound(), self.score_bound()] if by_score else [self.index(), self.index()]
        if by_score and not kind.endswith(b"SCORE"):
            words.append(b"BYSCORE")
        return words + self.options((b"WITHSCORES",), self.limit(), (b"REV",), most=2)

    def zrange_lex(self):
        kind = self.pick([b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZLEXCOUNT", b"ZREMRANGEBYLEX"])
        words = [kind, self.pick(LEX_KEYS), self.lex_bound(), self.lex_bound()]
        return words + self.options(self.limit(), most=1) if kind.endswith(b"GEBYLEX") else words

    def zalgebra(self):
        kind = self.pick([b"ZUNION", b"ZINTER", b"ZDIFF", b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE", b"ZINTERCARD"])
        keys = [self.zset_key() if self.chance(0.9) else self.set_key() for _ in range(self.random.randint(1, 3))]
        words = [kind] + ([self.zset_key()] if kind.endswith(b"STORE") else [])
        words += [self.pick([b"0", b"-1", b"abc", b"99"]) if self.chance(0.05) else b"%d" % len(keys)] + keys
        return words + self.options((b"WITHSCORES",), (b"WEIGHTS", *[self.weight for _ in keys]), (b"LIMIT", self.integer), (
            b"AGGREGATE", lambda: self.pick([b"SUM", b"MIN", b"MAX", b"NOPE"])), most=2)

    def weight(self):
        # Neither 0 nor negative: that makes -0, which Redis keeps and DiskDB does not (docs/compatibility.md).
        return self.pick([b"1", b"3", b"0.5", b"0.1", b"1e17", b"inf", b"nan", b"x"])

    def coordinates(self):
        spread = self.pick([1, 10, 180])
        place = [b"%.6f" % self.random.uniform(-spread, spread), b"%.6f" % self.random.uniform(-spread * 0.47, spread * 0.47)]
        # At an edge, but never two in the same place: see geo_options().
        if self.chance(0.03):
            place[0] = self.pick([b"180", b"-180", b"181", b"x"])
        elif self.chance(0.03):
            place[1] = self.pick([b"85.05112878", b"-85.05112878", b"86", b""])
        return place

    def place(self):
        return b"p%d" % self.random.randrange(60)

    def geoadd(self):
        words = [b"GEOADD", self.pick(GEO_KEYS)] + self.options((b"NX",), (b"XX",), (b"CH",), most=1)
        for _ in range(self.random.randint(1, 8)):
            words += self.coordinates() + [self.place()]
        return words

    def geo_options(self):
        # Sorted: of places equally far apart the order is chance, but those of a test are not.
        return [self.pick([b"ASC", b"DESC"])] + self.options(
            (b"WITHDIST",), (b"WITHHASH",), (b"WITHCOORD",), (b"COUNT", lambda: b"%d" % self.random.randint(0, 9)), most=2)

    def geosearch(self):
        size = lambda: b"%d" % self.pick([0, 1, 50, 500, 2000, 6000, 20000])  # noqa: E731
        center = [b"FROMMEMBER", self.place()] if self.chance(0.5) else [b"FROMLONLAT"] + self.coordinates()
        shape = [b"BYRADIUS", size()] if self.chance(0.5) else [b"BYBOX", size(), size()]
        words = center + shape + [self.pick([b"km", b"mi", b"m", b"ft"])]
        if self.chance(0.15):
            if self.chance(0.5):  # distances are no places
                return [b"GEOSEARCHSTORE", self.pick(ZSET_KEYS), self.pick(GEO_KEYS)] + words + [b"STOREDIST"]
            return [b"GEOSEARCHSTORE", self.pick(GEO_KEYS), self.pick(GEO_KEYS)] + words
        if self.chance(0.3):
            return [b"GEOSEARCH", self.pick(GEO_KEYS)] + words  # in the order of searching
        return [b"GEOSEARCH", self.pick(GEO_KEYS)] + words + self.geo_options()

    def georadius(self):
        words = self.coordinates() + [b"%d" % self.pick([1, 100, 3000]), b"km"] + self.geo_options()
        return [b"GEORADIUS", self.pick(GEO_KEYS)] + words

    def stream_key(self):
        return self.pick(STREAM_KEYS) if self.chance(0.97) else self.key()

    def entry_id(self):
        """Of few, so that they meet; always in full or by its milliseconds."""
        if self.chance(0.03):
            return self.pick([b"0-0", b"0-1", b"18446744073709551615-18446744073709551615", b"-1-1", b"1-", b"-", b"+", b"$",
                              b"1-x", b"", b"007-1", b" 1-1", b"1-+1", b"18446744073709551616-1", b"1" * 130])
        entry = b"%d" % self.random.randrange(max(1, self.entries - 60), self.entries + 2)
        return entry + self.pick([b"", b"-0", b"-1", b"-2"])

    def entry_ids(self, most=4):
        return [self.entry_id() for _ in range(self.random.randint(1, most))]

    def group(self):
        return self.pick([b"g0", b"g1"]) if self.chance(0.97) else self.pick([b"", b"nogroup", b"$"])

    def consumer(self):
        return self.pick([b"alice", b"bob", b"carol"])

    def trim(self):
        # Without ~: where it stops depends on nodes, whose bytes are counted in Redis only (docs/compatibility.md).
        kind = self.pick([b"MAXLEN", b"MINID"])
        threshold = b"%d" % self.random.randrange(40) if kind == b"MAXLEN" else self.entry_id()
        return [self.word(kind)] + self.pick([[], [b"="]]) + [threshold]

    def xadd(self):
        words = [b"XADD", self.stream_key()]
        if self.chance(0.1):
            words.append(self.word(b"NOMKSTREAM"))
        if self.chance(0.1):
            words += self.trim()
        self.entries += self.chance(0.5)
        sequence = self.pick([b"", b"-*", b"-*", b"-1", b"-2"])
        words.append(b"%d" % self.entries + sequence if self.chance(0.97) else self.entry_id())
        names = self.pick([[b"a"], [b"a", b"b"], [b"temperature", b"humidity"], [self.value()]])
        for name in names:
            words += [name, self.value()]
        return words

    def stream_interval(self):
        bound = lambda edge: edge if self.chance(0.3) else self.pick([b"", b"", b"("]) + self.entry_id()  # noqa: E731
        return [bound(b"-"), bound(b"+")]

    def xrange(self):
        words = [b"XRANGE", self.stream_key()] + self.stream_interval()
        if self.chance(0.4):
            words = [b"XREVRANGE", words[1], words[3], words[2]]
        return words + self.options((b"COUNT", self.small_count), most=1)

    def xread(self):
        keys = [self.stream_key() for _ in range(self.random.randint(1, 2))]
        words = [b"XREAD"] + self.options((b"COUNT", self.small_count), (b"BLOCK", b"1"), most=1)
        ids = [self.pick([b"0", b"$", self.entry_id()]) for _ in keys]
        # An id + is 7.4's (newer.txt).
        return words + [self.word(b"STREAMS")] + keys + [b"$" if one == b"+" else one for one in ids]

    def xreadgroup(self):
        words = [b"XREADGROUP", self.word(b"GROUP"), self.group(), self.consumer()]
        words += self.options((b"COUNT", self.small_count), (b"NOACK",), most=1)
        return words + [b"STREAMS", self.stream_key(), self.pick([b">", b">", b">", b"0", self.entry_id()])]

    def xgroup(self):
        kind = self.pick([b"CREATE", b"CREATE", b"SETID", b"DESTROY", b"DELCONSUMER", b"CREATECONSUMER"])
        words = [b"XGROUP", self.word(kind), self.stream_key(), self.group()]
        if kind in (b"DELCONSUMER", b"CREATECONSUMER"):
            return words + [self.consumer()]
        if kind == b"DESTROY":
            return words
        words.append(self.pick([b"0", b"$", self.entry_id()]))
        if kind == b"CREATE" and self.chance(0.4):
            words.append(b"MKSTREAM")
        return words + self.options((b"ENTRIESREAD", lambda: b"%d" % self.random.randint(-2, 50)), most=1)

    def xclaim(self):
        if self.chance(0.4):
            words = [b"XAUTOCLAIM", self.stream_key(), self.group(), self.consumer(), self.pick([b"0", b"99999999", b"x"])]
            words.append(self.pick([b"-", b"0", self.entry_id()]))
            return words + self.options((b"COUNT", self.small_count), (b"JUSTID",), most=2)
        words = [b"XCLAIM", self.stream_key(), self.group(), self.consumer(), self.pick([b"0", b"0", b"99999999"])]
        return words + self.entry_ids() + self.options(
            (b"FORCE",), (b"JUSTID",), (b"RETRYCOUNT", lambda: b"%d" % self.random.randint(-1, 9)),
            (b"LASTID", self.entry_id), (b"IDLE", lambda: self.pick([b"0", b"1000000", b"x"])), most=3)

    def xpending(self):
        words = [b"XPENDING", self.stream_key(), self.group()]
        if self.chance(0.3):
            return words
        if self.chance(0.2):
            words += [b"IDLE", self.pick([b"0", b"500000"])]
        return words + self.stream_interval() + [self.small_count()] + ([self.consumer()] if self.chance(0.3) else [])

    def xsetid(self):
        return [b"XSETID", self.stream_key(), b"%d-5" % self.entries] + self.options(
            (b"ENTRIESADDED", lambda: b"%d" % self.random.randint(-1, 500)), (b"MAXDELETEDID", self.entry_id), most=2)

    def hll_key(self):
        return self.pick(HLL_KEYS) if self.chance(0.95) else NOT_HLL_KEY

    def keys(self, most=4):
        return [self.whole_key() for _ in range(self.random.randint(1, most))]

    def value(self):
        if self.chance(0.6):
            return self.pick(VALUES)
        if self.chance(0.5):
            return b"%d" % self.random.randint(-10_000, 10_000)
        return self.random.randbytes(self.random.randint(0, 60))

    def integer(self):
        return self.pick(INT_EDGES) if self.chance(0.25) else b"%d" % self.random.randint(-1000, 1000)

    def float_text(self):
        return self.pick(FLOAT_EDGES) if self.chance(0.4) else b"%.*g" % (
            self.random.randint(1, 17), self.random.uniform(-1e4, 1e4))

    def index(self):
        """A position in a string, possibly from its end, possibly far outside."""
        if self.chance(0.08):
            return self.pick(INT_EDGES)
        most = 70 if self.chance(0.9) else 100_000
        return b"%d" % self.random.randint(-most, most)

    def offset(self, key, most):
        if self.chance(0.05):
            return self.pick(OFFSET_EDGES)
        return b"%d" % self.random.randrange(most * self.pick([1, 200, 2000]) if key in LARGE_KEYS else most)

    def database(self):
        return self.pick([b"16", b"-1", b"abc", b"99999999999", b""]) if self.chance(0.04) else b"%d" % self.random.randrange(
            DATABASES)

    def word(self, text):
        """A keyword in any case."""
        if self.chance(0.85):
            return text
        return bytes(self.random.choice((chr(c).upper(), chr(c).lower())).encode()[0] for c in text)

    def options(self, *groups, most=3):
        """Some of the options, in any order, each with its arguments."""
        chosen = [self.pick(groups) for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, most)))]
        words = []
        for option in chosen:
            name, *arguments = option
            words.append(self.word(name))
            words.extend(argument() if callable(argument) else argument for argument in arguments)
        return words

    def seconds(self):
        return self.pick(INT_EDGES[3:]) if self.chance(0.08) else b"%d" % self.random.randint(5_000, 5_000_000)

    def millis(self):
        return self.pick(INT_EDGES[3:6]) if self.chance(0.08) else b"%d" % self.random.randint(5_000_000, 5_000_000_000)

    def unix_seconds(self):
        return b"%d" % (FAR + self.random.randrange(1_000_000))

    def unix_millis(self):
        return b"%d" % (FAR * 1000 + self.random.randrange(1_000_000))

    def expiry(self):
        """EX, PX, EXAT and PXAT; not in the past (EXPIRE does that)."""
        return ((b"EX", self.seconds), (b"PX", self.millis), (b"EXAT", self.unix_seconds), (b"PXAT", self.unix_millis))

    def _spoil(self, words):
        """Now and then: another case, a word too many or too few."""
        if self.chance(0.1):
            words[0] = self.word(words[0].lower())
        name = words[0].upper()
        if self.chance(0.015):
            value = self.value()
            if name not in (b"BLPOP", b"BRPOP"):  # it would be the timeout, in seconds
                words.append(value)
        if self.chance(0.015) and len(words) > 1 and name != b"SPOP":  # without count: as chance will have it
            words.pop()
        return words

    # -- commands that need more than a line ----------------------------------------------------------------------

    def bitfield(self, read_only=False):
        key = self.any_key()
        words = [b"BITFIELD_RO" if read_only else b"BITFIELD", key]
        for _ in range(self.random.randint(0, 4)):
            sign = self.pick([b"i", b"u"])
            bits = self.pick([1, 2, 7, 8, 9, 16, 31, 32, 33, 63, 64]) if self.chance(0.95) else self.pick([0, 65, -1])
            place = self.offset(key, 400) if self.chance(0.7) else b"#%d" % self.random.randrange(20)
            kind = b"GET" if read_only and self.chance(0.95) else self.pick([b"GET", b"SET", b"INCRBY", b"OVERFLOW"])
            if kind == b"OVERFLOW":
                words += [self.word(kind), self.pick([b"WRAP", b"SAT", b"FAIL", b"fail", b"NONE"])]
                continue
            words += [self.word(kind), sign + b"%d" % bits, place]
            if kind != b"GET":
                words.append(self.integer())
        return words

    def elements(self):
        """Few and any, or many from a small choice, so that they are found again."""
        if self.chance(0.85):
            return [self.element() for _ in range(self.random.choice((1, 1, 1, 2, 3, 8)))]
        return [b"%d" % self.random.randrange(30) for _ in range(self.random.choice((30, 100, 300)))]

    def element(self):
        if self.chance(0.5):
            return b"%d" % self.random.randrange(30)
        return self.value() if self.chance(0.97) else self.pick([b"z" * 3000, b"w" * 9000])

    def end(self):
        return self.word(self.pick([b"LEFT", b"RIGHT"])) if self.chance(0.97) else self.pick([b"UP", b""])

    def list_index(self):
        if self.chance(0.06):
            return self.pick(INT_EDGES)
        return b"%d" % (self.random.randint(-400, 400) if self.chance(0.4) else self.random.randint(-6, 6))

    def rank(self):
        rank = self.list_index()
        return b"1" if rank == b"-9223372036854775808" else rank  # 8.10 wins over 7.0 (newer.txt)

    def small_count(self):
        return self.pick(INT_EDGES) if self.chance(0.1) else b"%d" % self.random.choice((0, 1, 1, 2, 3, 10, 100))

    def multi_pop(self, blocks=False):
        keys = [self.list_key() for _ in range(self.random.randint(1, 3))]
        count = b"%d" % len(keys) if self.chance(0.95) else self.small_count()
        start = [b"BLMPOP", b"0.001"] if blocks else [b"LMPOP"]
        return start + [count] + keys + [self.end()] + self.options((b"COUNT", self.small_count), most=1)

    def lpos(self):
        return [b"LPOS", self.list_key(), self.element()] + self.options(
            (b"RANK", self.rank), (b"COUNT", self.small_count), (b"MAXLEN", self.small_count))

    def bit_range(self):
        words = []
        if self.chance(0.7):
            words = [self.index()]
            if self.chance(0.9):
                words.append(self.index())
                if self.chance(0.4):
                    words.append(self.word(self.pick([b"BIT", b"BYTE", b"NIBBLE"])))
        return words

    def lcs(self):
        return [b"LCS", self.key(), self.key()] + self.options(
            (b"LEN",), (b"IDX",), (b"MINMATCHLEN", self.integer), (b"WITHMATCHLEN",))

    def bitop(self):
        destination = self.pick(LARGE_KEYS)
        return [b"BITOP", self.word(self.pick([b"AND", b"OR", b"XOR", b"NOT"])), destination] + self.keys()

    def expire(self):
        kind = self.pick([b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"])
        when = {b"EXPIRE": self.seconds, b"PEXPIRE": self.millis, b"EXPIREAT": self.unix_seconds,
                b"PEXPIREAT": self.unix_millis}[kind]()
        if self.chance(0.15):
            when = self.pick([b"0", b"-1", b"-9223372036854775808"])
        return [kind, self.whole_key(), when] + self.options((b"NX",), (b"XX",), (b"GT",), (b"LT",), (b"QQ",), most=2)

    def pairs(self):
        words = []
        for _ in range(self.random.randint(1, 4)):
            words += [self.key(), self.value()]
        return words

    def pfadd(self):
        return [b"PFADD", self.hll_key()] + [b"e%d" % self.random.randrange(500) for _ in range(self.random.randrange(30))]

    def pfkeys(self):
        return [self.hll_key() for _ in range(self.random.randint(1, 3))]


# name -> (weight, maker of one command)
MAKERS = {
    "SET": (30, lambda g: [b"SET", g.key(), g.value()] + g.options(
        *g.expiry(), (b"NX",), (b"XX",), (b"GET",), (b"KEEPTTL",))),
    "SET nohll": (1, lambda g: [b"SET", NOT_HLL_KEY, g.pick([b"", b"HYLL", b"abc", b"12", b"HYLL" + b"\x00" * 12])]),
    "SET number": (8, lambda g: [b"SET", g.counter(), g.integer()]),
    "SET float": (3, lambda g: [b"SET", g.counter(), g.float_text()]),
    "GET": (12, lambda g: [b"GET", g.key()]),
    "GETSET": (3, lambda g: [b"GETSET", g.key(), g.value()]),
    "GETDEL": (3, lambda g: [b"GETDEL", g.key()]),
    "GETEX": (5, lambda g: [b"GETEX", g.key()] + g.options(*g.expiry(), (b"PERSIST",), most=2)),
    "SETNX": (3, lambda g: [b"SETNX", g.key(), g.value()]),
    "SETEX": (3, lambda g: [b"SETEX", g.key(), g.seconds(), g.value()]),
    "PSETEX": (3, lambda g: [b"PSETEX", g.key(), g.millis(), g.value()]),
    "MSET": (4, lambda g: [b"MSET"] + g.pairs()),
    "MSETNX": (3, lambda g: [b"MSETNX"] + g.pairs()),
    "MGET": (4, lambda g: [b"MGET"] + [g.key() for _ in range(3)]),
    "STRLEN": (3, lambda g: [b"STRLEN", g.any_key()]),
    "APPEND": (6, lambda g: [b"APPEND", g.key(), g.value()]),
    "SETRANGE": (5, lambda g: (lambda key: [b"SETRANGE", key, g.offset(key, 200), g.value()])(g.any_key())),
    "GETRANGE": (5, lambda g: [g.pick([b"GETRANGE", b"SUBSTR"]), g.any_key(), g.index(), g.index()]),
    "INCR": (5, lambda g: [g.pick([b"INCR", b"DECR"]), g.counter()]),
    "INCRBY": (6, lambda g: [g.pick([b"INCRBY", b"DECRBY"]), g.counter(), g.integer()]),
    "INCRBYFLOAT": (8, lambda g: [b"INCRBYFLOAT", g.counter(), g.float_text()]),
    "LCS": (3, lambda g: g.lcs()),
    "SETBIT": (6, lambda g: (lambda key: [b"SETBIT", key, g.offset(key, 3000), g.pick([b"0", b"1", b"1", b"2", b"x"])])(
        g.any_key())),
    "GETBIT": (4, lambda g: (lambda key: [b"GETBIT", key, g.offset(key, 3000)])(g.any_key())),
    "BITCOUNT": (4, lambda g: [b"BITCOUNT", g.any_key()] + g.bit_range()),
    "BITPOS": (5, lambda g: [b"BITPOS", g.any_key(), g.pick([b"0", b"1", b"1", b"2"])] + g.bit_range()),
    "BITOP": (4, lambda g: g.bitop()),
    "BITFIELD": (8, lambda g: g.bitfield()),
    "BITFIELD_RO": (3, lambda g: g.bitfield(read_only=True)),
    "PFADD": (6, lambda g: g.pfadd()),
    "PFCOUNT": (4, lambda g: [b"PFCOUNT"] + g.pfkeys()),
    "PFMERGE": (3, lambda g: [b"PFMERGE"] + g.pfkeys()),
    "PFDEBUG": (1, lambda g: [b"PFDEBUG", g.pick([b"ENCODING", b"DECODE", b"TODENSE"]), g.pick(HLL_KEYS)]),
    "HSET": (8, lambda g: g.hset(b"HSET")),
    "HMSET": (2, lambda g: g.hset(b"HMSET")),
    "HSETNX": (3, lambda g: [b"HSETNX", g.hash_key(), g.field(), g.value()]),
    "HGET": (5, lambda g: [g.pick([b"HGET", b"HSTRLEN", b"HEXISTS"]), g.hash_key(), g.field()]),
    "HMGET": (2, lambda g: [b"HMGET", g.hash_key()] + g.fields()),
    "HGETALL": (3, lambda g: [g.pick([b"HGETALL", b"HKEYS", b"HVALS", b"HLEN"]), g.hash_key()]),
    "HDEL": (5, lambda g: [b"HDEL", g.hash_key()] + g.fields(30)),
    "HINCRBY": (3, lambda g: [b"HINCRBY", g.hash_key(), g.field(), g.integer()]),
    "HINCRBYFLOAT": (3, lambda g: [b"HINCRBYFLOAT", g.hash_key(), g.field(), g.float_text()]),
    "HRANDFIELD": (2, lambda g: [b"HRANDFIELD", g.hash_key()] + g.pick(
        [[], [b"5"], [b"-5"], [b"0"], [b"x"], [b"7", b"WITHVALUES"]])),
    "HSCAN": (1, lambda g: [b"HSCAN", g.hash_key(), g.pick([b"0", b"0", b"abc"])] + g.options(
        (b"MATCH", b"f*"), (b"COUNT", g.integer), most=2)),
    "SADD": (8, lambda g: g.sadd()),
    "SREM": (5, lambda g: [b"SREM", g.set_key()] + g.members(30)),
    "SISMEMBER": (3, lambda g: [b"SISMEMBER", g.set_key(), g.member()]),
    "SMISMEMBER": (2, lambda g: [b"SMISMEMBER", g.set_key()] + g.members()),
    "SMEMBERS": (3, lambda g: [g.pick([b"SMEMBERS", b"SCARD"]), g.set_key()]),
    "SMOVE": (3, lambda g: [b"SMOVE", g.set_key(), g.set_key(), g.member()]),
    "SINTER": (4, lambda g: [g.pick([b"SINTER", b"SUNION", b"SDIFF"])] + g.set_keys()),
    "SINTERSTORE": (3, lambda g: [g.pick([b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"])] + g.set_keys(5)),
    "SINTERCARD": (2, lambda g: g.sintercard()),
    "SRANDMEMBER": (2, lambda g: [b"SRANDMEMBER", g.set_key()] + g.pick([[], [b"5"], [b"-5"], [b"0"], [b"x"]])),
    "SPOP": (0.3, lambda g: [b"SPOP", g.set_key(), b"100000"]),  # all of them: whose turn it is, chance says
    "SSCAN": (1, lambda g: [b"SSCAN", g.set_key(), g.pick([b"0", b"0", b"abc"])] + g.options(
        (b"MATCH", b"m*"), (b"COUNT", g.integer), most=2)),
    "ENCODING": (3, lambda g: [b"OBJECT", b"ENCODING", g.pick(HASH_KEYS + SET_KEYS)]),
    "LPUSH": (14, lambda g: [g.pick([b"LPUSH", b"RPUSH"]), g.list_key()] + g.elements()),
    "LPUSHX": (3, lambda g: [g.pick([b"LPUSHX", b"RPUSHX"]), g.list_key()] + g.elements()),
    "LPOP": (6, lambda g: [g.pick([b"LPOP", b"RPOP"]), g.list_key()] + ([g.small_count()] if g.chance(0.4) else [])),
    "LRANGE": (6, lambda g: [b"LRANGE", g.list_key(), g.list_index(), g.list_index()]),
    "LINDEX": (4, lambda g: [b"LINDEX", g.list_key(), g.list_index()]),
    "LLEN": (2, lambda g: [b"LLEN", g.list_key()]),
    "LSET": (4, lambda g: [b"LSET", g.list_key(), g.list_index(), g.element()]),
    "LINSERT": (4, lambda g: [b"LINSERT", g.list_key(), g.word(g.pick([b"BEFORE", b"AFTER", b"AFTER", b"BESIDE"])), g.element(),
                              g.element()]),
    "LREM": (3, lambda g: [b"LREM", g.list_key(), g.list_index(), g.element()]),
    "LTRIM": (2, lambda g: [b"LTRIM", g.list_key(), g.list_index(), g.list_index()]),
    "LPOS": (4, lambda g: g.lpos()),
    "LMOVE": (5, lambda g: [b"LMOVE", g.list_key(), g.list_key(), g.end(), g.end()]),
    "RPOPLPUSH": (2, lambda g: [b"RPOPLPUSH", g.list_key(), g.list_key()]),
    "LMPOP": (3, lambda g: g.multi_pop()),
    "BLPOP": (0.2, lambda g: [g.pick([b"BLPOP", b"BRPOP"]), g.list_key(), g.list_key(), g.pick([b"0.001", b"x", b"-1"])]),
    "BLMOVE": (0.2, lambda g: [b"BLMOVE", g.list_key(), g.list_key(), g.end(), g.end(), b"0.001"]),
    "BLMPOP": (0.2, lambda g: g.multi_pop(blocks=True)),
    "COPY of lists": (1, lambda g: [g.pick([b"COPY", b"RENAME", b"RENAMENX"]), g.pick(LIST_KEYS), g.pick(LIST_KEYS)]),
    "LIST ENCODING": (0.5, lambda g: [b"OBJECT", b"ENCODING", g.pick(LIST_KEYS)]),
    "XADD": (20, lambda g: g.xadd()),
    "XLEN": (2, lambda g: [b"XLEN", g.stream_key()]),
    "XRANGE": (6, lambda g: g.xrange()),
    "XREAD": (3, lambda g: g.xread()),
    "XREADGROUP": (10, lambda g: g.xreadgroup()),
    "XACK": (4, lambda g: [b"XACK", g.stream_key(), g.group()] + g.entry_ids()),
    "XDEL": (4, lambda g: [b"XDEL", g.stream_key()] + g.entry_ids()),
    "XTRIM": (2, lambda g: [b"XTRIM", g.stream_key()] + g.trim()),
    "XSETID": (0.5, lambda g: g.xsetid()),
    "XGROUP": (5, lambda g: g.xgroup()),
    "XCLAIM": (5, lambda g: g.xclaim()),
    "XPENDING": (5, lambda g: g.xpending()),
    "XINFO": (4, lambda g: [b"XINFO", g.pick([b"STREAM", b"GROUPS"]), g.stream_key()]),
    "XINFO CONSUMERS": (1, lambda g: [b"XINFO", b"CONSUMERS", g.stream_key(), g.group()]),
    "XINFO FULL": (1, lambda g: [b"XINFO", b"STREAM", g.stream_key(), b"FULL"]),
    "DEL of streams": (0.7, lambda g: [b"DEL", g.pick(STREAM_KEYS)]),
    "RENAME of streams": (0.7, lambda g: [g.pick([b"RENAME", b"COPY"]), g.pick(STREAM_KEYS), g.pick(STREAM_KEYS)]),
    "ZADD": (14, lambda g: g.zadd()),
    "ZADD of strings": (3, lambda g: g.zadd_lex()),
    "ZINCRBY": (4, lambda g: [b"ZINCRBY", g.zset_key(), g.score(), g.zmember()]),
    "ZREM": (5, lambda g: [b"ZREM", g.zset_key()] + g.zmembers(30)),
    "ZSCORE": (4, lambda g: [g.pick([b"ZSCORE", b"ZRANK", b"ZREVRANK"]), g.zset_key(), g.zmember()]),
    "ZMSCORE": (2, lambda g: [b"ZMSCORE", g.zset_key()] + g.zmembers()),
    "ZCARD": (2, lambda g: [b"ZCARD", g.pick(SORTED_KEYS)]),
    "ZCOUNT": (3, lambda g: [g.pick([b"ZCOUNT", b"ZCOUNT", b"ZREMRANGEBYSCORE"]), g.zset_key(), g.score_bound(),
                             g.score_bound()]),
    "ZREMRANGEBYRANK": (1, lambda g: [b"ZREMRANGEBYRANK", g.zset_key(), g.index(), g.index()]),
    "ZRANGE": (10, lambda g: g.zrange()),
    "ZRANGEBYLEX": (4, lambda g: g.zrange_lex()),
    "ZPOPMIN": (2, lambda g: [g.pick([b"ZPOPMIN", b"ZPOPMAX"]), g.zset_key()] + g.pick([[], [b"0"], [b"3"], [b"-1"], [b"x"]])),
    "ZMPOP": (2, lambda g: [b"ZMPOP", b"2", g.zset_key(), g.zset_key(), g.pick([b"MIN", b"max"])] + g.options(
        (b"COUNT", g.integer), most=1)),
    "ZRANDMEMBER": (1, lambda g: [b"ZRANDMEMBER", g.zset_key()] + g.pick([[], [b"5"], [b"-5"], [b"0"], [b"x"]])),
    "ZSCAN": (1, lambda g: [b"ZSCAN", g.zset_key(), g.pick([b"0", b"0", b"abc"])] + g.options(
        (b"MATCH", b"m*"), (b"COUNT", g.integer), most=2)),
    "ZUNION": (6, lambda g: g.zalgebra()),
    "GEOADD": (6, lambda g: g.geoadd()),
    "GEOPOS": (3, lambda g: [g.pick([b"GEOPOS", b"GEOHASH", b"GEODIST"]), g.pick(GEO_KEYS), g.place(), g.place()]),
    "GEOSEARCH": (6, lambda g: g.geosearch()),
    "GEORADIUS": (2, lambda g: g.georadius()),
    "ENCODING of sorted sets": (2, lambda g: [b"OBJECT", b"ENCODING", g.pick(SORTED_KEYS)]),
    "RENAME of sorted sets": (1, lambda g: [g.pick([b"RENAME", b"COPY"]), g.pick(ZSET_KEYS), g.pick(ZSET_KEYS)]),
    "DEL of sorted sets": (1, lambda g: [b"DEL", g.pick(SORTED_KEYS)]),
    "DEL": (5, lambda g: [g.pick([b"DEL", b"UNLINK"])] + g.keys()),
    "EXISTS": (3, lambda g: [g.pick([b"EXISTS", b"TOUCH"])] + g.keys()),
    "TYPE": (2, lambda g: [b"TYPE", g.whole_key()]),
    "RENAME": (4, lambda g: [g.pick([b"RENAME", b"RENAMENX"]), g.key(), g.key()]),
    "RENAME of HyperLogLogs": (0.5, lambda g: [g.pick([b"RENAME", b"COPY"]), g.pick(HLL_KEYS), g.pick(HLL_KEYS)]),
    "COPY": (4, lambda g: [b"COPY", g.key(), g.key()] + g.options((b"DB", g.database), (b"REPLACE",), most=2)),
    "MOVE": (3, lambda g: [b"MOVE", g.whole_key(), g.database()]),
    "EXPIRE": (8, lambda g: g.expire()),
    "TTL": (6, lambda g: [g.pick([b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"]), g.whole_key()]),
    "PERSIST": (3, lambda g: [b"PERSIST", g.whole_key()]),
    "KEYS": (1, lambda g: [b"KEYS", g.pick([b"*", b"k*", b"k[0-5]", b"?1", b"{tag}*", b"[^k]*", b"k\\1", b"nothing"])]),
    "RANDOMKEY": (1, lambda g: [b"RANDOMKEY"]),
    "SCAN": (1, lambda g: [b"SCAN", g.pick([b"0", b"0", b"abc", b"-1"])] + g.options(
        (b"MATCH", b"k*"), (b"COUNT", g.integer), (b"TYPE", g.pick([b"string", b"list"])))),
    "OBJECT": (4, lambda g: [b"OBJECT", g.word(g.pick([b"ENCODING", b"ENCODING", b"REFCOUNT", b"FREQ", b"NOPE"])), g.any_key()]),
    "DIGEST-VALUE": (3, lambda g: [b"DEBUG", b"DIGEST-VALUE", g.whole_key(), g.whole_key()]),
    "SELECT": (4, lambda g: [b"SELECT", g.database()]),
    "SWAPDB": (0.5, lambda g: [b"SWAPDB", g.database(), g.database()]),
    "DBSIZE": (2, lambda g: [b"DBSIZE"]),
    "FLUSHDB": (0.2, lambda g: [b"FLUSHDB"] + g.options((b"SYNC",), (b"ASYNC",), (b"NOW",), most=1)),
    "FLUSHALL": (0.05, lambda g: [b"FLUSHALL"]),
    "PING": (0.5, lambda g: [b"PING"] + g.options((g.value(),), most=2)),
    "ECHO": (0.5, lambda g: [b"ECHO", g.value()]),
    "unknown": (0.5, lambda g: [g.pick([b"NOSUCH", b"", b"GETT", b"\x00\x01", b"x" * 150]), g.value(), g.value()]),
}
