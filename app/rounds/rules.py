"""Rounds: what a studio may ask for, what a client may say, and the bounds of both. No I/O."""

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain import Pick, times
from app.domain.people import hash_password
from app.domain.tables import Row
from app.errors import InvalidRequest, TryLater

MAX_CLIENT, MAX_WATERMARK, MAX_LABEL = 40, 40, 80  # characters
LEAST_PASSWORD, MAX_PASSWORD = 6, 100
MAX_COMMENT = 500
MAX_PICTURES = 500  # of a round
CHANGES_A_MINUTE = 30
DAYS, MOST_DAYS = 14, 366
_NAMING = ("sku", "货号", "款号", "商品编码", "商品编号", "产品编号", "编号", "型号", "asin")  # own columns
_LOCAL_NAME = re.compile(r"[^.]+|.+\.(?:local|lan|internal|home\.arpa)")
_TOKEN_BYTES = 32
_JOINER = "\u200d"  # of emoji


class RoundState(StrEnum):
    """OPEN takes marks, SUBMITTED is read-only, CLOSED cannot be opened."""

    OPEN = "open"
    SUBMITTED = "submitted"
    CLOSED = "closed"


class Mark(StrEnum):
    """What a client says of a picture without words."""

    HEART = "heart"
    REJECT = "reject"


PICKS = {Mark.HEART: Pick.KEEP, Mark.REJECT: Pick.REJECT}


class TooOften(TryLater):
    """More changes than a link takes, or more attempts than an address may make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round as stored. Times are UTC text; ``download`` is the name of a profile of deliveries, or empty.

    ``version`` changes with every mark; ``submitted_version`` is what undoes the submission in the table.
    """

    id: str
    table_id: str
    number: int = 0
    client: str
    token_digest: str = ""
    password_digest: str = ""
    password_version: int = 0
    at_most: int | None = None
    download: str = ""
    watermark: str = ""
    ends_at: str
    state: RoundState = RoundState.OPEN
    created_at: str
    submitted_at: str | None = None
    submitted_version: int | None = None
    delivery_id: str | None = None
    version: int = 0
    minute_at: float = 0.0
    changes: int = 0
    person_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture of a round that is there, with what the client says of it.

    ``sha256`` is that of the file ``filename``; ``applied_…`` is what was written into the table last.
    """

    n: int
    record_id: int
    row_id: int
    label: str
    earlier_record_id: int | None = None
    filename: str = ""
    sha256: str = ""
    width: int | None = None
    height: int | None = None
    mark: str = ""
    comment: str = ""
    applied_mark: str = ""
    applied_comment: str = ""


def read_order(body: Mapping[str, Any], table_id: str, now: datetime) -> Round:
    """An untrusted order of a round, which has no number and no link yet. Raises InvalidRequest."""
    client = one_line(body["client"])
    if not client:
        raise InvalidRequest("client", "请写客户的名字，最多 {limit} 个字", limit=MAX_CLIENT)
    return Round(
        id=new_id(now),
        table_id=table_id,
        client=client,
        password_digest=read_password(body),
        at_most=body.get("at_most"),
        download=one_line(body.get("profile") or "原图") if body.get("download") == "chosen" else "",
        watermark=one_line(body.get("watermark") or ""),
        ends_at=read_end(body.get("ends_at"), now),
        created_at=times.utc_text(now),
    )


def read_next(body: Mapping[str, Any], before: Round, now: datetime) -> Round:
    """An untrusted order of the round after this one, as it was unless the body says otherwise."""
    names = ("table_id", "client", "at_most", "download", "watermark")
    return Round(
        id=new_id(now),
        created_at=times.utc_text(now),
        ends_at=read_end(body.get("ends_at"), now),
        password_digest=read_password(body) or before.password_digest,
        **{name: getattr(before, name) for name in names},
    )


def read_password(body: Mapping[str, Any]) -> str:
    """What is stored of the password in a body; empty without one. Raises InvalidRequest."""
    password = body.get("password") or ""
    if password and not LEAST_PASSWORD <= len(password) <= MAX_PASSWORD:
        text = "密码应有 {least}–{most} 个字，或不写"
        raise InvalidRequest("password", text, least=LEAST_PASSWORD, most=MAX_PASSWORD)
    return hash_password(password) if password else ""


def read_end(value: Any, now: datetime) -> str:
    """When a round ends, as UTC text; without one in DAYS days. Raises InvalidRequest."""
    text = f"{now.astimezone().date() + timedelta(days=DAYS)}" if value is None else str(value)
    if not (end := times.read_end(text)):
        raise InvalidRequest("ends_at", "ends_at 应为日期 2026-07-03，或带时区的时间")
    if not now < end <= now + timedelta(days=MOST_DAYS):
        raise InvalidRequest("ends_at", "到期的日子应在今天以后，一年以内")
    return times.utc_text(end)


def read_marks(body: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    """Untrusted marks: number of a picture -> its ``mark`` and ``comment``, as far as they are to change.

    Raises InvalidRequest.
    """
    marks: dict[int, dict[str, str]] = {}
    for key, value in body.items():
        if not re.fullmatch(r"[1-9][0-9]{0,3}", key) or not isinstance(value, Mapping):
            raise InvalidRequest("marks", "应为图片的编号，到它的 mark 和 comment")
        if unknown := value.keys() - {"mark", "comment"}:
            raise InvalidRequest("marks", "没有「{name}」这一项", name=min(unknown)[:50])
        mark, comment = value.get("mark"), value.get("comment") or ""
        if mark not in (None, *Mark):
            raise InvalidRequest("mark", "mark 应为 heart、reject 或 null")
        if not isinstance(comment, str) or len(one_line(comment)) > MAX_COMMENT:
            raise InvalidRequest("comment", "一句话最多 {limit} 个字，请写短一些", limit=MAX_COMMENT)
        wanted = {"mark": mark or "", "comment": one_line(comment)}
        marks[int(key)] = {name: wanted[name] for name in value}
    return marks


def one_line(text: str) -> str:
    """A text as one line, without control characters."""
    return " ".join("".join(c if c.isprintable() or c == _JOINER else " " for c in text).split())


def counts(pictures: Iterable[Shown]) -> dict[str, int]:
    """How many pictures are chosen, how many rejected, and how many have words."""
    said = [*pictures]
    return {
        "chosen": sum(shown.mark == Mark.HEART for shown in said),
        "rejected": sum(shown.mark == Mark.REJECT for shown in said),
        "comments": sum(bool(shown.comment) for shown in said),
    }


def label_of(row: Row) -> str:
    """What a client reads under a picture: the cell of a column such as SKU, else the typed file name, with
    the role; never words of the prompt."""
    named = {name.strip().casefold(): text.strip() for name, text in row.columns.items()}
    key = next((named[name] for name in _NAMING if named.get(name)), "")
    key = key or (row.filename if row.fields.get("filename") else "")
    return one_line(" · ".join(filter(None, (key, row.role if row.role not in key else ""))))[:MAX_LABEL]


def new_id(now: datetime) -> str:
    """The id of a new round, which no client sees; later ones are greater."""
    return f"r{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}"


def new_token() -> str:
    """What a new link ends in."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def pass_of(asked: Round) -> tuple[str, str]:
    """(name, value) of the cookie of one who gave the password of a round; another password ends it."""
    name = hashlib.sha256(asked.id.encode()).hexdigest()[:16]
    bound = f"{asked.id} {asked.password_version}"
    return f"round_{name}", hmac.digest(asked.password_digest.encode(), bound.encode(), "sha256").hex()


def is_private(host: str) -> bool:
    """Whether a host is of a private network: an address, or a name that only such a network knows."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return bool(_LOCAL_NAME.fullmatch(host)) and host != "localhost"
    return not (ip.is_global or ip.is_loopback or ip.is_unspecified)
