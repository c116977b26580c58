"""The replies that may differ between two right servers, and how they are compared instead. One row, one reason.

A row's words are compared with the beginning of a command, whatever its case; the longest row wins.
"""

from dataclasses import dataclass
from typing import Callable

from lib.resp import decode


@dataclass(frozen=True)
class Mask:
    words: tuple
    alike: Callable  # (ours, theirs) -> bool, both raw replies
    reason: str


def _kind(ours, theirs):
    """The same type of reply, errors to the letter."""
    return ours[:1] == theirs[:1] and (ours[:1] != b"-" or ours == theirs)


def _near(tolerance):
    """Equal, or both integers that are at most `tolerance` apart and both non-negative."""
    def alike(ours, theirs):
        if ours == theirs:
            return True
        if ours[:1] != b":" or theirs[:1] != b":":
            return False
        a, b = int(ours[1:]), int(theirs[1:])
        return a >= 0 and b >= 0 and abs(a - b) <= tolerance
    return alike


def _same_null(ours, theirs):
    """Both say that there is nothing, or both say something."""
    nothing = (b"$-1\r\n", b"_\r\n")
    return (ours in nothing) == (theirs in nothing) and _kind(ours, theirs)


def _same_elements(ours, theirs):
    """The same strings in any order."""
    a, b = decode(ours), decode(theirs)
    if isinstance(a, list) and isinstance(b, list):
        a, b = sorted(a), sorted(b)
    return ours[:1] == theirs[:1] and a == b


def _same_pairs(ours, theirs):
    """The same map, in any order; RESP2 has it as a flat list."""
    a, b = decode(ours), decode(theirs)
    if isinstance(a, list) and isinstance(b, list):
        a, b = (sorted(zip(x[::2], x[1::2])) for x in (a, b))
    return ours[:1] == theirs[:1] and a == b


def _same_count(ours, theirs):
    """As many elements, or both one, or both none."""
    return _same_null(ours, theirs) and (ours[:1] not in b"*~" or len(decode(ours)) == len(decode(theirs)))


def _same_cursor_reply(ours, theirs):
    """Errors to the letter; pages of a scan are not compared (the runner compares whole iterations)."""
    return _kind(ours, theirs)



def _counted_anyway(ours, theirs):
    """Redis refuses unless an LFU policy is selected; ours counts uses under every policy."""
    return ours == theirs or (ours[:1] == b":" and theirs.startswith(b"-ERR An LFU maxmemory policy is not selected"))


def _small_list(ours, theirs):
    """Since 7.2 a small list is a listpack; in 7.0 all are quicklists."""
    return ours == theirs or (ours == b"$8\r\nlistpack\r\n" and theirs == b"$9\r\nquicklist\r\n")


def _newer_checks_first(ours, theirs):
    """Since 7.2 bad arguments are refused before the key is looked at; 7.0 answers for an absent key, or refuses its type."""
    complaints = (b"-ERR syntax error\r\n", b"-ERR value is not an integer or out of range\r\n")
    return ours in complaints and (theirs in (b":0\r\n", b":-1\r\n") or theirs.startswith(b"-WRONGTYPE "))


def _newer_takes_more(ours, theirs):
    """Since 7.2 there is an option: what it does not know is a syntax error, where 7.0 counts words."""
    return ours == b"-ERR syntax error\r\n" and theirs.startswith(b"-ERR wrong number of arguments")


def _overflowing_timeout(ours, theirs):
    """7.0 lets seconds overflow when it makes milliseconds of them, and finds them negative."""
    return ours == b"-ERR timeout is out of range\r\n" and theirs == b"-ERR timeout is negative\r\n"


def _same_slow_commands(ours, theirs):
    """The same words and client names; ids, times and addresses are each server's own."""
    a, b = decode(ours), decode(theirs)
    if not (isinstance(a, list) and isinstance(b, list) and all(len(entry) == 6 for entry in a + b)):
        return False
    return [(entry[3], entry[5]) for entry in a] == [(entry[3], entry[5]) for entry in b]


def _same_map_names(ours, theirs):
    """The same fields in a flat map, whatever their values."""
    a, b = decode(ours), decode(theirs)
    return isinstance(a, list) and isinstance(b, list) and a[::2] == b[::2]


def _same_calls(ours, theirs):
    """LATENCY HISTOGRAM: the same commands in any order, called as often; buckets are as time would have it."""
    a, b = decode(ours), decode(theirs)

    def calls(flat):
        return sorted((name, fields[:3]) for name, fields in zip(flat[::2], flat[1::2]))
    return isinstance(a, list) and isinstance(b, list) and calls(a) == calls(b)


def _flat(reply):
    """A map that RESP2 has as a flat list."""
    return dict(zip(reply[::2], reply[1::2]))


def _same_pending(ours, theirs):
    """The same entries, owners and counts; how long ago is each server's own. A summary is compared to the letter."""
    a, b = decode(ours), decode(theirs)
    if not (isinstance(a, list) and isinstance(b, list) and all(isinstance(x, list) and len(x) == 4 for x in a + b)):
        return False
    return [x[:2] + x[3:] for x in a] == [x[:2] + x[3:] for x in b]


# What is newer of a group: 7.0 creates a consumer when it gets something, later ones when it asks.
CONSUMERS = {b"consumers": 0}
# Since 8.2 what was deleted and trimmed counts for how far a group has read.
CONSUMERS_AND_LAG = {**CONSUMERS, b"entries-read": 0, b"lag": 0}


def _same_groups(newer):
    """But for what is newer."""
    def alike(ours, theirs):
        a, b = decode(ours), decode(theirs)
        if not (isinstance(a, list) and isinstance(b, list)):
            return False
        return [{**_flat(x), **newer} for x in a] == [{**_flat(x), **newer} for x in b]
    return alike


def _same_stream(newer):
    """But for the radix tree, which is Redis's; in full also but for what is newer of groups, and times."""
    def alike(ours, theirs):
        a, b = decode(ours), decode(theirs)
        if not (isinstance(a, list) and isinstance(b, list)):
            return False
        a, b = _flat(a), _flat(b)
        for one in (a, b):
            one.pop(b"radix-tree-keys", None)
            one.pop(b"radix-tree-nodes", None)
            if isinstance(one.get(b"groups"), list):
                one[b"groups"] = [{**_flat(g), **newer, b"pending": [p[:2] + p[3:] for p in _flat(g)[b"pending"]]}
                                  for g in one[b"groups"]]
        return a == b
    return alike


def _both_counts(ours, theirs):
    return ours[:1] == theirs[:1] == b":"


# Clocks are read at slightly different moments on the two servers, and the machine may be busy.
SECONDS_APART = 3
MILLIS_APART = 3000

MASKS = [
    Mask(("TIME",), _kind, "two clocks"),
    Mask(("TTL",), _near(SECONDS_APART), "two clocks"),
    Mask(("PTTL",), _near(MILLIS_APART), "two clocks"),
    Mask(("EXPIRETIME",), _near(SECONDS_APART), "a relative expiry is counted from another instant"),
    Mask(("PEXPIRETIME",), _near(MILLIS_APART), "a relative expiry is counted from another instant"),
    *(Mask((name,), _overflowing_timeout, "8.10 wins over 7.0 (newer.txt)") for name in (
        "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP")),
    Mask(("BITCOUNT",), _newer_checks_first, "8.10 wins over 7.0 (newer.txt)"),
    Mask(("BITPOS",), _newer_checks_first, "8.10 wins over 7.0 (newer.txt)"),
    Mask(("RANDOMKEY",), _same_null, "chance"),
    Mask(("HGETALL",), _same_pairs, "the order of a large hash belongs to the server's table"),
    Mask(("HKEYS",), _same_elements, "the order of a large hash belongs to the server's table"),
    Mask(("HVALS",), _same_elements, "the order of a large hash belongs to the server's table"),
    Mask(("HRANDFIELD",), _same_count, "chance"),
    Mask(("HSCAN",), _same_cursor_reply, "cursors and order of a large hash belong to the server's table"),
    Mask(("SMEMBERS",), _same_elements, "the order of a set belongs to the server's table"),
    Mask(("SINTER",), _same_elements, "the order of a set belongs to the server's table"),
    Mask(("SUNION",), _same_elements, "the order of a set belongs to the server's table"),
    Mask(("SDIFF",), _same_elements, "the order of a set belongs to the server's table"),
    Mask(("SPOP",), _same_elements, "those that take all, in any order; chance is not compared"),
    Mask(("SRANDMEMBER",), _same_count, "chance"),
    Mask(("SSCAN",), _same_cursor_reply, "cursors and order of a set belong to the server's table"),
    Mask(("ZRANK",), _newer_takes_more, "8.10 wins over 7.0 (newer.txt)"),
    Mask(("ZREVRANK",), _newer_takes_more, "8.10 wins over 7.0 (newer.txt)"),
    Mask(("ZRANDMEMBER",), _same_null, "chance"),
    Mask(("ZSCAN",), _same_cursor_reply, "cursors and order of a large sorted set belong to the server's table"),
    Mask(("XPENDING",), _same_pending, "two clocks"),
    Mask(("XINFO", "STREAM"), _same_stream(CONSUMERS),
         "there is no radix tree; consumers come with what they ask since 7.2 (newer.txt)"),
    Mask(("XINFO", "GROUPS"), _same_groups(CONSUMERS), "consumers come with what they ask since 7.2 (newer.txt)"),
    Mask(("XINFO", "CONSUMERS"), _kind, "two clocks; since 7.2 there is more of it (newer.txt)"),
    Mask(("XINFO", "HELP"), _kind, "a text for people"),
    Mask(("XGROUP", "HELP"), _kind, "a text for people"),
    Mask(("XGROUP", "CREATECONSUMER"), _both_counts, "consumers come with what they ask since 7.2 (newer.txt)"),
    Mask(("KEYS",), _same_elements, "the order of keys belongs to the server's table"),
    Mask(("SCAN",), _same_cursor_reply, "cursors and order belong to the server's table"),
    Mask(("OBJECT", "ENCODING"), _small_list, "8.10 wins over 7.0 (newer.txt)"),
    Mask(("OBJECT", "IDLETIME"), _near(SECONDS_APART), "two clocks"),
    Mask(("OBJECT", "FREQ"), _counted_anyway, "ours answers under every policy (docs/compatibility.md)"),
    Mask(("OBJECT", "REFCOUNT"), _kind, "sharing of small integers is the server's own business"),
    Mask(("OBJECT", "HELP"), _kind, "a text for people"),
    Mask(("MEMORY", "USAGE"), _same_null, "sizes belong to the server's representation"),
    Mask(("MEMORY", "HELP"), _kind, "a text for people"),
    Mask(("MEMORY", "STATS"), _same_map_names, "sizes belong to the server"),
    Mask(("MEMORY", "DOCTOR"), _kind, "a text for people"),
    Mask(("MEMORY", "MALLOC-STATS"), _kind, "the allocator's text"),
    Mask(("SLOWLOG", "GET"), _same_slow_commands, "ids, times, addresses"),
    Mask(("SLOWLOG", "HELP"), _kind, "a text for people"),
    Mask(("LATENCY", "DOCTOR"), _kind, "a text for people"),
    Mask(("LATENCY", "HELP"), _kind, "a text for people"),
    Mask(("LATENCY", "HISTOGRAM"), _same_calls, "how long it took"),
    Mask(("CLIENT", "ID"), _kind, "ids count this server's connections"),
    Mask(("CLIENT", "LIST"), _kind, "addresses, ids, ages"),
    Mask(("CLIENT", "INFO"), _kind, "addresses, ids, ages"),
    Mask(("CLIENT", "HELP"), _kind, "a text for people"),
    Mask(("CONFIG", "HELP"), _kind, "a text for people"),
    Mask(("COMMAND", "HELP"), _kind, "a text for people"),
    Mask(("DEBUG", "HELP"), _kind, "a text for people"),
    Mask(("DEBUG", "OBJECT"), _kind, "addresses and times"),
    Mask(("COMMAND", "COUNT"), _kind, "ours are the commands of 8.10"),
    Mask(("COMMAND", "LIST"), _kind, "ours are the commands of 8.10"),
    Mask(("COMMAND", "DOCS"), _kind, "ours are the documents of 8.10"),
    Mask(("COMMAND", "INFO"), _kind, "ours are the flags and key specifications of 8.10"),
    Mask(("COMMAND",), _kind, "ours are the commands of 8.10"),
    Mask(("HELLO",), _kind, "versions and ids"),
    Mask(("INFO",), _kind, "another server"),
    Mask(("LASTSAVE",), _kind, "two clocks"),
    Mask(("BGSAVE",), _kind, "what a save is differs, and when it ends"),
]
# For commands that nobody wrote: cases keep to what 7.0 and 8.2 have in common, and are compared in full.
MASKS_OF_RANDOM = [
    Mask(("XINFO", "STREAM"), _same_stream(CONSUMERS_AND_LAG), "groups know what was deleted since 8.2 (newer.txt)"),
    Mask(("XINFO", "GROUPS"), _same_groups(CONSUMERS_AND_LAG), "groups know what was deleted since 8.2 (newer.txt)"),
]
_TABLE = {tuple(w.encode() for w in mask.words): mask for mask in MASKS}
_TABLE_OF_RANDOM = {**_TABLE, **{tuple(w.encode() for w in mask.words): mask for mask in MASKS_OF_RANDOM}}


def alike(words, ours, theirs, is_random=False):
    """Whether two raw replies to a command count as the same."""
    if ours == theirs:
        return True
    for count in (2, 1):
        mask = (_TABLE_OF_RANDOM if is_random else _TABLE).get(tuple(bytes(w).upper() for w in words[:count]))
        if mask is not None:
            return mask.alike(ours, theirs)
    return False
