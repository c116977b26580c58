r"""Transcripts: commands, and replies where they are stored, as plain text files.

    == a section: it begins with empty databases and fresh connections
    # a comment
    > SET key "two words \x00\r\n"     a command, quoted as Redis's inline commands are
    +OK                                 its reply, where the file stores replies (else an oracle gives it)
    > MGET key nokey
    *2
      "two words \x00\r\n"              a bulk string
      $-1
    > TIME
    ?                                   any reply
    > SET k v {EX|PX} {0|-1|abc}        alternatives: six commands, one after the other
    @each SET k 10                      from here on, run this before every command (alone: no longer)
    @connection 2                       go on with another connection
    @sleep 120                          milliseconds
    @send "*1\r\n$4\r\nPING\r\n"        bytes as they are; one reply is read
    @send-end "*1\r\n$-1\r\n"           bytes as they are; everything until the server closes is the reply
"""

import itertools
import re
from dataclasses import dataclass, field

_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "a": b"\a"}
_WORD_BREAK = " \t"


def split_words(line):
    """Splits as Redis splits an inline command."""
    words, i = [], 0
    while True:
        while i < len(line) and line[i] in _WORD_BREAK:
            i += 1
        if i == len(line):
            return words
        word = b""
        if line[i] == '"':
            i += 1
            while line[i] != '"':
                if line[i] == "\\" and re.match(r"x[0-9a-fA-F]{2}", line[i + 1:i + 4]):
                    word += bytes([int(line[i + 2:i + 4], 16)])
                    i += 4
                elif line[i] == "\\":
                    word += _ESCAPES.get(line[i + 1], line[i + 1].encode())
                    i += 2
                else:
                    word += line[i].encode()
                    i += 1
            i += 1
        else:
            while i < len(line) and line[i] not in _WORD_BREAK:
                word += line[i].encode()
                i += 1
        words.append(word)


def expand(line):
    """All lines that a line with {a|b} alternatives stands for."""
    parts = re.split(r"(\{[^{}]*\|[^{}]*\})", line)
    choices = [part[1:-1].split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]


def quote(data):
    r"""Bytes as the quoted text that split_words reads back."""
    text = ""
    for byte in data:
        if byte in b'"\\':
            text += "\\" + chr(byte)
        elif byte in b"\r\n\t":
            text += {13: "\\r", 10: "\\n", 9: "\\t"}[byte]
        elif 32 <= byte < 127:
            text += chr(byte)
        else:
            text += f"\\x{byte:02x}"
    return f'"{text}"'


def show_command(words):
    """A command as a transcript line."""
    return "> " + " ".join(
        w.decode() if re.fullmatch(rb"[!#-&(-z|~]+", w) else quote(w) for w in words)


def show_reply(raw):
    """A raw reply as transcript lines; every byte of it is told apart."""
    lines = []
    _show(raw, 0, 0, lines)
    return lines


def _show(data, start, depth, lines):
    line_end = data.index(b"\r\n", start)
    kind, line = data[start:start + 1], data[start:line_end]
    after = line_end + 2
    pad = "  " * depth
    if kind in b"$!=" and line[1:] != b"-1":
        length = int(line[1:])
        mark = "" if kind == b"$" else kind.decode()
        lines.append(pad + mark + quote(data[after:after + length]))
        return after + length + 2
    lines.append(pad + "".join(chr(c) if 32 <= c < 127 else f"\\x{c:02x}" for c in line))
    if kind in b"*~>%|" and line[1:] != b"-1":
        for _ in range(int(line[1:]) * (2 if kind in b"%|" else 1)):
            after = _show(data, after, depth + 1, lines)
    return after


@dataclass
class Step:
    """One thing to do. kind: section, command, send, send-end, connection, sleep, each."""
    kind: str
    line_number: int
    text: str = ""
    words: list = field(default_factory=list)
    reply: list = field(default_factory=list)  # stored reply lines; empty if none is stored


def load(path):
    """The steps of a transcript file, alternatives expanded."""
    steps = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            _load_line(steps, number, line)
        except (IndexError, ValueError) as problem:
            raise SystemExit(f"{path}:{number}: cannot read this line: {problem}")
    return steps


def _load_line(steps, number, line):
    if not line.strip() or line.startswith("#"):
        return
    if line.startswith("== "):
        steps.append(Step("section", number, line[3:]))
    elif line.startswith("> "):
        steps.extend(Step("command", number, words=split_words(text)) for text in expand(line[2:]))
    elif line.startswith("@"):
        kind, _, rest = line[1:].partition(" ")
        if kind not in ("each", "connection", "sleep", "send", "send-end"):
            raise ValueError(f"no directive @{kind}")
        steps.append(Step(kind, number, rest, words=split_words(rest)))
    elif steps and steps[-1].kind in ("command", "send", "send-end"):
        steps[-1].reply.append(line)
    else:
        raise ValueError("a reply without a command")
