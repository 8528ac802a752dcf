"""When something was, and what a batch without a name is called: by the time it began."""

from datetime import UTC, datetime
from typing import Protocol

from flask import Flask

from web.language import day_in_words, say


class Begun(Protocol):
    """A batch, or what was spent on it; ``created_at`` is UTC as kept."""

    @property
    def name(self) -> str: ...

    @property
    def created_at(self) -> str: ...


def install(app: Flask) -> None:
    """Give the templates ``| moment`` and ``| called``."""
    app.jinja_env.filters["moment"] = moment
    app.jinja_env.filters["called"] = called


def moment(created_at: str) -> str:
    """UTC as kept -> the clock of this machine, as static/js/words.js writes it."""
    try:
        at = datetime.fromisoformat(created_at).replace(tzinfo=UTC).astimezone()
    except ValueError:
        return created_at
    now = datetime.now().astimezone()
    if at.date() == now.date():
        return say("今天 {clock}", clock=f"{at:%H:%M}")
    return f"{day_in_words(at, with_year=at.year != now.year)} {at:%H:%M}"


def called(batch: Begun) -> str:
    """Its name, or when it began."""
    return batch.name or say("{time} 的批次", time=moment(batch.created_at))
