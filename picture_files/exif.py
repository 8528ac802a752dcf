"""The user comment of an EXIF block, read and added without disturbing anything else in it.

A block is never rewritten: new directories are put after it and its first pointer is turned to them,
so that every offset inside, also those only the camera's maker knows, stays true.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

EXIF_DIRECTORY = 0x8769
USER_COMMENT = 0x9286
_LONG, _UNDEFINED = 4, 7
_ENTRY = 12
_EMPTY = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x00" + b"\x00\x00\x00\x00"
_MOST_ENTRIES = 1_000


@dataclass(frozen=True, slots=True)
class _Directory:
    """The entries of one directory by tag, 12 bytes each as they stand, and where the next one is."""

    entries: dict[int, bytes]
    following: int


def read_user_comment(block: bytes) -> str:
    """The user comment of a TIFF block, whatever its coding; ``""`` when there is none."""
    try:
        order = _order(block)
        value = _user_comment(block, order)
    except (struct.error, ValueError):
        return ""
    return _decoded(value, order)


def with_user_comment(block: bytes, comment: str) -> bytes:
    """A TIFF block that says all that ``block`` says, and ``comment``. ValueError if it cannot be read.

    An empty ``block`` starts a new one. The comment is UTF-16BE, as other tools write and expect it.
    """
    try:
        return _extended(block or _EMPTY, comment)
    except struct.error as error:
        raise ValueError("directory beyond the block") from error


def _extended(block: bytes, comment: str) -> bytes:
    order = _order(block)
    main = _directory(block, order, _first(block, order))
    inner = _inner_directory(block, order, main)
    value = b"UNICODE\x00" + comment.encode("utf-16-be", "replace")
    grown = block + bytes(len(block) % 2)

    def entry(tag: int, kind: int, count: int, offset: int) -> bytes:
        return struct.pack(order + "HHLL", tag, kind, count, offset)

    comment_at = len(grown)
    grown += value + bytes(len(value) % 2)
    inner.entries[USER_COMMENT] = entry(USER_COMMENT, _UNDEFINED, len(value), comment_at)
    inner_at = len(grown)
    grown += _packed(inner, order)
    main.entries[EXIF_DIRECTORY] = entry(EXIF_DIRECTORY, _LONG, 1, inner_at)
    main_at = len(grown)
    grown += _packed(main, order)
    return grown[:4] + struct.pack(order + "L", main_at) + grown[8:]


def _order(block: bytes) -> str:
    order = {b"II\x2a\x00": "<", b"MM\x00\x2a": ">"}.get(block[:4])
    if order is None:
        raise ValueError("not a TIFF block")
    return order


def _first(block: bytes, order: str) -> int:
    return int(struct.unpack_from(order + "L", block, 4)[0])


def _directory(block: bytes, order: str, at: int) -> _Directory:
    (count,) = struct.unpack_from(order + "H", block, at)
    end = at + 2 + count * _ENTRY
    if count > _MOST_ENTRIES or end > len(block):
        raise ValueError("directory beyond the block")
    following = struct.unpack_from(order + "L", block, end)[0] if end + 4 <= len(block) else 0
    return _Directory(dict(_entries(block[at + 2 : end], order)), following)


def _entries(body: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    for at in range(0, len(body), _ENTRY):
        entry = body[at : at + _ENTRY]
        yield struct.unpack_from(order + "H", entry)[0], entry


def _inner_directory(block: bytes, order: str, main: _Directory) -> _Directory:
    entry = main.entries.get(EXIF_DIRECTORY)
    if entry is None:
        return _Directory({}, 0)
    return _directory(block, order, struct.unpack_from(order + "L", entry, 8)[0])


def _user_comment(block: bytes, order: str) -> bytes:
    main = _directory(block, order, _first(block, order))
    entry = _inner_directory(block, order, main).entries.get(USER_COMMENT)
    if entry is None:
        return b""
    count, offset = struct.unpack_from(order + "LL", entry, 4)
    return entry[8 : 8 + count] if count <= 4 else block[offset : offset + count]


def _packed(directory: _Directory, order: str) -> bytes:
    entries = b"".join(entry for _, entry in sorted(directory.entries.items()))
    count, following = len(directory.entries), directory.following
    return struct.pack(order + "H", count) + entries + struct.pack(order + "L", following)


def _decoded(value: bytes, order: str) -> str:
    coding, text = value[:8], value[8:]
    if coding == b"UNICODE\x00":
        return _decoded_unicode(text, order).strip("\x00 ")
    if coding in (b"ASCII\x00\x00\x00", bytes(8)):
        return text.decode("utf-8", "replace").strip("\x00 ")
    return value.decode("utf-8", "replace").strip("\x00 ")


def _decoded_unicode(text: bytes, order: str) -> str:
    """Big-endian as this house and its neighbours write it, else as the block's own order says."""
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return text.decode("utf-16", "replace")
    big, little = text.decode("utf-16-be", "replace"), text.decode("utf-16-le", "replace")
    if order == ">":
        return big
    return max(big, little, key=_plain_signs)


def _plain_signs(text: str) -> int:
    return sum(sign.isascii() and sign.isprintable() for sign in text) + text.count("\n")
