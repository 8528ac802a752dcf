"""The nouns of reference images: in the library, attached to a request, made ready for a model.

Lies under ``domain``, which everybody knows it through. No input or output here; imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

FILES_URL = "/samples/files/"
PINNED = ".pinned/"
WHOLE_DIGEST = 64  # digits of a SHA-256


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleImage:
    """A reference image attached to a request: where it is kept, and the name people know it by.

    ``key`` and ``sha256`` (of its content, 12 or all 64 digits) pin what was used, once it is queued;
    ``etag`` does where only the bucket can tell the content.
    """

    url: str
    filename: str
    key: str = ""
    sha256: str = ""
    etag: str = ""

    @property
    def content_id(self) -> str:
        """What tells the content where the key does not: the hash of a copy, or the bucket's ETag."""
        return self.etag or (self.sha256 if len(self.sha256) == WHOLE_DIGEST else "")

    @property
    def pinned(self) -> SampleImage:
        """The same by an address that leads to this content alone, whatever lies in its place now."""
        if not (self.content_id and self.key):
            return self
        return replace(self, url=f"{FILES_URL}{PINNED}{self.content_id}/{quote(self.key)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference image made ready for a model: an address the service can fetch, or the bytes."""

    filename: str
    url: str | None = None
    content: bytes | None = None
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceInfo:
    """What is known of a reference image before it is sent; None and "" where nothing is."""

    format: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None
    is_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLimits:
    """What a model says of each reference image; bytes, pixels, and the long side over the short one."""

    formats: tuple[str, ...]
    max_bytes: int
    max_side: int
    max_ratio: int

    def violation(self, facts: ReferenceInfo) -> str:
        """Why it would not take one, to be put after the picture's name; empty when it would."""
        if facts.format and facts.format not in self.formats:
            return f"是 {facts.format.upper()}，只收 {'、'.join(self.formats).upper()}"
        if facts.size is not None and facts.size > self.max_bytes:
            return f"有 {facts.size / 1_048_576:.1f} MB，最大 {self.max_bytes // 1_048_576} MB"
        if not (facts.width and facts.height):
            return ""
        if max(facts.width, facts.height) > self.max_side:
            return f"是 {facts.width}×{facts.height}，每边最多 {self.max_side} 像素"
        if max(facts.width, facts.height) > self.max_ratio * min(facts.width, facts.height):
            return f"是 {facts.width}×{facts.height}，太窄或太扁，长边最多是短边的 {self.max_ratio} 倍"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedUpload:
    """An upload that was decoded: its safe name (ending by the bytes), its facts, a WebP thumbnail."""

    filename: str
    content: bytes
    format: str
    width: int
    height: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryImage:
    """A reference image in the library. ``key`` is unique; width and height are None where the key does not
    tell them: of files put there by hand. ``size`` is bytes."""

    key: str
    filename: str
    url: str
    thumbnail_url: str
    width: int | None
    height: int | None
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryPage:
    """A part of the library. ``listed_at`` is a Unix time when the list was not made just now; ``is_stale``
    when it is an older one, ``trouble`` why it could not be brought up to date."""

    images: tuple[LibraryImage, ...]
    total: int
    source: str
    listed_at: float | None = None
    is_stale: bool = False
    trouble: str = ""
