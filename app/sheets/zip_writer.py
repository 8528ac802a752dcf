"""Writes a zip as a stream of bytes; entries of another zip are copied as they are, still compressed.

Each entry is complete in memory, so that sizes and checksums stand before it: some programs refuse zips
with data descriptors. Limits: 65,535 entries and 4 GB.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 20
_UTF8 = 0x800
_KEPT_FLAGS = 0x806  # of a copied entry: encoding of its name, effort of the compression
_LEVEL = 3  # 6 takes three times as long for 5 % fewer bytes
_DOS_DATE = 0x21  # 1980-01-01, so that equal content is an equal file


@dataclass(frozen=True, slots=True)
class _ZipEntry:
    name: bytes
    flags: int
    method: int
    checksum: int
    packed_size: int
    size: int
    offset: int


class ZipWriter:
    """Returns the bytes of each entry; the caller writes them in this order, ``finish`` last."""

    def __init__(self) -> None:
        self._entries: list[_ZipEntry] = []
        self._offset = 0

    def add(self, name: str, content: bytes, *, compress: bool = True) -> bytes:
        """An entry with this content."""
        packed = content
        if compress:
            deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
            packed = deflater.compress(content) + deflater.flush()
        method = ZIP_DEFLATED if compress else ZIP_STORED
        return self._entry(name.encode(), _UTF8, method, zlib.crc32(content), packed, len(content))

    def copy(self, archive: bytes, entry: ZipInfo) -> bytes:
        """An entry of another zip, without unpacking it."""
        name_length, extra_length = _LOCAL.unpack_from(archive, entry.header_offset)[-2:]
        start = entry.header_offset + _LOCAL.size
        name = archive[start : start + name_length]
        start += name_length + extra_length
        packed = archive[start : start + entry.compress_size]
        flags = entry.flag_bits & _KEPT_FLAGS
        return self._entry(name, flags, entry.compress_type, entry.CRC, packed, entry.file_size)

    def finish(self) -> bytes:
        """The directory at the end."""
        directory = b"".join(map(_directory_entry, self._entries))
        number = len(self._entries)
        end = _END.pack(b"PK\x05\x06", 0, 0, number, number, len(directory), self._offset, 0)
        return directory + end

    def _entry(self, name: bytes, flags: int, method: int, checksum: int, packed: bytes, size: int) -> bytes:
        entry = _ZipEntry(name, flags, method, checksum, len(packed), size, self._offset)
        header = _LOCAL.pack(
            *(b"PK\x03\x04", _VERSION, flags, method, 0, _DOS_DATE),
            *(checksum, len(packed), size, len(name), 0),
        )
        self._entries.append(entry)
        written = header + name + packed
        self._offset += len(written)
        return written


def _directory_entry(entry: _ZipEntry) -> bytes:
    fields = _CENTRAL.pack(
        *(b"PK\x01\x02", _VERSION, 0, _VERSION, 0, entry.flags, entry.method, 0, _DOS_DATE),
        *(entry.checksum, entry.packed_size, entry.size, len(entry.name), 0, 0, 0, 0, 0, entry.offset),
    )
    return fields + entry.name
