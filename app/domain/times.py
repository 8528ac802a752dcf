"""Times as text: in UTC as they are stored, and the ends that people write."""

import re
from contextlib import suppress
from datetime import UTC, datetime


def utc_text(at: datetime) -> str:
    """A time as UTC text without fractions."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def utc_now() -> str:
    """The present time as UTC text."""
    return utc_text(datetime.now(UTC))


def read_end(written: str) -> datetime | None:
    """A time with its zone, or the last second of a day of this machine; None for what is neither."""
    is_day = re.fullmatch(r"\d{4}-\d\d-\d\d", written)
    with suppress(ValueError, OverflowError, OSError):
        end = datetime.fromisoformat(f"{written}T23:59:59" if is_day else written)
        if is_day or end.tzinfo:
            return end.astimezone(UTC)
    return None
