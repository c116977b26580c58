"""A raw RESP connection: words go out as RESP arrays, replies come back as the very bytes received.

Tests compare bytes, so nothing here interprets a reply unless asked to (decode, for tests that need a value).
"""

import socket

DEADLINE_SECONDS = 20.0


def encode(words):
    """One command as a RESP array. Words are bytes, str (UTF-8) or int."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        if isinstance(word, str):
            word = word.encode()
        elif isinstance(word, int):
            word = b"%d" % word
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def reply_end(data, start):
    """Where the reply that begins at `start` ends, or -1 while it is incomplete. RESP2 and RESP3."""
    pending = 1
    while pending:
        line_end = data.find(b"\r\n", start)
        if line_end < 0:
            return -1
        kind = data[start:start + 1]
        pending -= 1
        if kind in (b"$", b"!", b"="):
            length = int(data[start + 1:line_end])
            start = line_end + 2
            if length >= 0:
                start += length + 2
                if start > len(data):
                    return -1
            continue
        if kind in (b"*", b"~", b">"):
            pending += max(0, int(data[start + 1:line_end]))
        elif kind == b"%":
            pending += 2 * int(data[start + 1:line_end])
        elif kind == b"|":  # attributes stand before the reply they describe
            pending += 2 * int(data[start + 1:line_end]) + 1
        elif kind not in (b"+", b"-", b":", b"_", b"#", b",", b"("):
            raise ValueError(f"no RESP reply begins with {data[start:start + 40]!r}")
        start = line_end + 2
    return start


class ReplyError(Exception):
    """An error reply, where a test asked for a value."""


def decode(raw):
    """A raw reply as bytes, int, float, bool, None, list, or ReplyError (returned, not raised)."""
    value, _ = _decode(raw, 0)
    return value


def _decode(data, start):
    line_end = data.index(b"\r\n", start)
    kind, line = data[start:start + 1], data[start + 1:line_end]
    after = line_end + 2
    if kind == b"+":
        return line, after
    if kind == b"-":
        return ReplyError(line.decode(errors="replace")), after
    if kind in (b":", b"("):
        return int(line), after
    if kind == b"_":
        return None, after
    if kind == b"#":
        return line == b"t", after
    if kind == b",":
        return float(line), after
    count = int(line)
    if kind in (b"$", b"!", b"="):
        if count < 0:
            return None, after
        return data[after:after + count], after + count + 2
    if count < 0:
        return None, after
    items = []
    for _ in range(count * 2 if kind in (b"%", b"|") else count):
        item, after = _decode(data, after)
        items.append(item)
    if kind == b"|":
        return _decode(data, after)
    return items, after


class Connection:
    """A client connection on loopback. Every wait has a deadline."""

    def __init__(self, port, timeout=DEADLINE_SECONDS):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()  # received and not yet returned from `position` on
        self.position = 0

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, *words):
        self.send_raw(encode(words))

    def receive(self):
        """The next reply's bytes. Raises ConnectionError when the server closed."""
        while True:
            if self.position < len(self.buffer):
                end = reply_end(self.buffer, self.position)
                if end >= 0:
                    reply = bytes(self.buffer[self.position:end])
                    self.position = end
                    return reply
            self._fill()

    def _fill(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError(f"port {self.port} closed the connection")
        del self.buffer[:self.position]
        self.position = 0
        self.buffer += data

    def receive_until(self, end):
        """Everything up to and with `end`, undecoded. Requires: nothing comes behind it."""
        while not self.buffer.endswith(end):
            self._fill()
        data = bytes(self.buffer[self.position:])
        self.buffer.clear()
        self.position = 0
        return data

    def receive_until_closed(self):
        """Everything up to the server's end of the connection."""
        data = bytes(self.buffer[self.position:])
        while True:
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                more = b""
            if not more:
                return data
            data += more

    def raw(self, *words):
        """Sends one command and returns its reply's bytes."""
        self.send(*words)
        return self.receive()

    def call(self, *words):
        """Sends one command and returns its decoded reply; raises ReplyError."""
        value = decode(self.raw(*words))
        if isinstance(value, ReplyError):
            raise value
        return value

    def pipeline(self, commands):
        """Sends all commands at once and returns the replies' bytes, in order."""
        # A server may stop reading while we do not read: send from a pipeline that fits its and our buffers.
        replies = []
        for first in range(0, len(commands), 256):
            part = commands[first:first + 256]
            self.send_raw(b"".join(encode(words) for words in part))
            replies.extend(self.receive() for _ in part)
        return replies
