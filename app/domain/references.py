"""Reference image types: in the library, attached to a request, prepared for a model.

Re-exported by ``app.domain``. No I/O; imports only ``app.errors``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import quote

from app.errors import Message, message

FILES_URL = "/samples/files/"
PINNED = ".pinned/"
DIGEST_LENGTH, FULL_DIGEST_LENGTH = 12, 64  # digits of a SHA-256: in a key, and all


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleImage:
    """A reference image attached to a request: its address and its display name.

    ``key`` and ``sha256`` (of its content, 12 or all 64 digits) pin the content once it is queued;
    ``etag`` replaces the hash for content known only to the bucket.
    """

    url: str
    filename: str
    key: str = ""
    sha256: str = ""
    etag: str = ""

    def pin(self, key: str, content_id: str) -> SampleImage:
        """The same image with its key and content id: an ETag, or 12 or 64 digits of a SHA-256."""
        is_hash = len(content_id) in (DIGEST_LENGTH, FULL_DIGEST_LENGTH)
        digest, etag = (content_id, "") if is_hash else ("", content_id)
        return replace(self, url=FILES_URL + quote(key), key=key, sha256=digest, etag=etag)

    @property
    def content_id(self) -> str:
        """The bucket's ETag, or the full SHA-256; empty when neither is known."""
        return self.etag or (self.sha256 if len(self.sha256) == FULL_DIGEST_LENGTH else "")

    @property
    def pinned(self) -> SampleImage:
        """The same image under an immutable address, unaffected if the file is replaced later."""
        if not (self.content_id and self.key):
            return self
        return replace(self, url=f"{FILES_URL}{PINNED}{self.content_id}/{quote(self.key)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference image prepared for a model: a URL the service can fetch, or the bytes."""

    filename: str
    url: str | None = None
    content: bytes | None = None
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceInfo:
    """Known properties of a reference image before it is submitted; None or "" if unknown."""

    format: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None
    is_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLimits:
    """A model's limits on each reference image: formats, bytes, pixels a side, long side / short side.

    With ``recompresses`` a larger file is sent as a JPEG that fits instead of being refused.
    """

    formats: tuple[str, ...]
    max_bytes: int
    max_side: int
    max_ratio: int
    recompresses: bool = False

    def violation(self, facts: ReferenceInfo) -> Message | None:
        """The violated limit, as a phrase to follow the image's name; None when there is none."""
        if facts.format and facts.format not in self.formats:
            return message(
                "是 {format}，只收 {formats}",
                format=facts.format.upper(),
                formats=tuple(name.upper() for name in self.formats),
            )
        if facts.size is not None and facts.size > self.max_bytes and not self.recompresses:
            return message(
                "有 {size} MB，最大 {limit} MB",
                size=f"{facts.size / 1_048_576:.1f}",
                limit=self.max_bytes // 1_048_576,
            )
        if not (facts.width and facts.height):
            return None
        if max(facts.width, facts.height) > self.max_side:
            return message(
                "是 {width}×{height}，每边最多 {limit} 像素",
                width=facts.width,
                height=facts.height,
                limit=self.max_side,
            )
        if max(facts.width, facts.height) > self.max_ratio * min(facts.width, facts.height):
            return message(
                "是 {width}×{height}，太窄或太扁，长边最多是短边的 {limit} 倍",
                width=facts.width,
                height=facts.height,
                limit=self.max_ratio,
            )
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedUpload:
    """A decoded upload: safe name (extension by content), properties, WebP thumbnail."""

    filename: str
    content: bytes
    format: str
    width: int
    height: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryImage:
    """A reference image in the library. ``key`` is unique; width and height are None where the key does not
    contain them (files added by hand). ``size`` is bytes, ``added_at`` a Unix time."""

    key: str
    filename: str
    url: str
    thumbnail_url: str
    width: int | None
    height: int | None
    size: int
    added_at: float = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryPage:
    """A page of the library. ``listed_at`` is the Unix time of a cached list, None for a fresh one;
    ``is_stale``: the list is out of date, ``problem``: why it could not be refreshed."""

    images: tuple[LibraryImage, ...]
    total: int
    source: str
    listed_at: float | None = None
    is_stale: bool = False
    problem: Message | None = None
