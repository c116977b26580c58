"""Reads a log folder as docs/format/log.md describes it: an independent reader, for tests that damage it knowingly."""

import struct
from dataclasses import dataclass
from pathlib import Path

SEGMENT_HEADER = struct.Struct("<8sIIQQQQqII")
BATCH_HEADER = struct.Struct("<IIQQQqQ")
UNNAMED = 2**64 - 1  # a first offset that is not known yet


@dataclass
class Batch:
    path: Path
    position: int  # of its header in the file
    offset: int    # of its first payload byte in the log
    payload_bytes: int
    attested: int

    @property
    def end_position(self):
        return self.position + BATCH_HEADER.size + self.payload_bytes

    @property
    def end_offset(self):
        return self.offset + self.payload_bytes


def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def read_log(folder):
    """All batches of a sound log in order, and the highest attested offset."""
    batches, attested = [], 0
    for path in sorted((Path(folder) / "log").glob("*.log")):
        data = path.read_bytes()
        magic, version, _, salt, _, first, header_attested, _, _, _ = SEGMENT_HEADER.unpack_from(data)
        assert magic == b"DISKDLOG" and version == 1, path
        attested = max(attested, header_attested, first if first != UNNAMED else 0)
        position = SEGMENT_HEADER.size
        while position + BATCH_HEADER.size <= len(data):
            crc, flags, size, batch_salt, offset, _, batch_attested = BATCH_HEADER.unpack_from(data, position)
            end = position + BATCH_HEADER.size + size
            if batch_salt != salt or end > len(data) or crc32c(data[position + 4:end]) != crc:
                break
            batches.append(Batch(path, position, offset, size, batch_attested))
            attested = max(attested, batch_attested)
            position = end
    return batches, attested
