"""What may be said of a person, a token and an invitation. No I/O."""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.domain import times
from app.domain.people import PersonRole
from app.errors import InvalidRequest

FIRST_ID = 1  # of the person whose password is ACCESS_PASSWORD until it has one of its own
ROLE_LABELS = {PersonRole.OWNER: "主人", PersonRole.MEMBER: "成员", PersonRole.VIEWER: "只看"}
MAX_NAME, MAX_TOKEN_NAME, MAX_TOKENS, MAX_PEOPLE = 40, 40, 50, 200
LEAST_PASSWORD, MAX_PASSWORD = 8, 200  # characters
INVITATION_SECONDS = 72 * 3600
_TOKEN_BYTES = 32


def read_name(body: Mapping[str, Any], field: str = "name", most: int = MAX_NAME) -> str:
    """A name as one line. Raises InvalidRequest."""
    name = " ".join("".join(c if c.isprintable() else " " for c in body.get(field, "")).split())
    if not 0 < len(name) <= most:
        raise InvalidRequest(field, "请写名字，最多 {limit} 个字", limit=most)
    return name


def in_micros(limit: float | None) -> int | None:
    """A limit a month in CNY, or None -> micro-yuan."""
    return None if limit is None else int((Decimal(str(limit)) * 1_000_000).to_integral_value())


def read_password(value: Any) -> str:
    """Raises InvalidRequest."""
    if not isinstance(value, str) or not LEAST_PASSWORD <= len(value) <= MAX_PASSWORD:
        text = "密码应有 {least}–{most} 个字"
        raise InvalidRequest("password", text, least=LEAST_PASSWORD, most=MAX_PASSWORD)
    return value


def read_end(value: Any) -> float | None:
    """When a token ends, in Unix seconds; None: never. Raises InvalidRequest."""
    if value in (None, ""):
        return None
    end = times.read_end(str(value))
    if not end or end.timestamp() <= time.time():
        raise InvalidRequest("expires_at", "到期应是今天或以后的日子 2026-07-03，或带时区的时间")
    return end.timestamp()


def shown_time(seconds: float | None) -> str | None:
    """A time of the database as the API has it; None for one that was never."""
    return times.utc_text(datetime.fromtimestamp(seconds, UTC)) if seconds else None


def new_secret(prefix: str = "") -> str:
    """What a link ends in, or a token."""
    return prefix + secrets.token_urlsafe(_TOKEN_BYTES)
