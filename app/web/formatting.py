"""Formats times in pages, and labels batches without a name by their creation time.

Pages contain UTC and the server's local time; ``localTimes`` in static/js/frame.js replaces it by the
browser's.
"""

from datetime import UTC, datetime
from typing import Protocol

from flask import Flask
from markupsafe import Markup, escape

from app.web.i18n.language import day_in_words, gettext


class Named(Protocol):
    """A batch or its spending; ``created_at`` is UTC as stored."""

    @property
    def name(self) -> str: ...

    @property
    def created_at(self) -> str: ...


def init_formatting(app: Flask) -> None:
    """Register the template filters ``local_time`` and ``called``."""
    app.jinja_env.filters["local_time"] = local_time
    app.jinja_env.filters["called"] = batch_label


def format_time(created_at: str) -> str:
    """Stored UTC -> local time in the format of static/js/words.js."""
    try:
        at = datetime.fromisoformat(created_at).replace(tzinfo=UTC).astimezone()
    except ValueError:
        return created_at
    now = datetime.now().astimezone()
    if at.date() == now.date():
        return gettext("今天 {clock}", clock=f"{at:%H:%M}")
    return f"{day_in_words(at, with_year=at.year != now.year)} {at:%H:%M}"


def local_time(created_at: str) -> Markup:
    """Stored UTC -> a ``<time>`` element that the browser shows in its own time zone."""
    element = Markup('<time data-local datetime="{at}Z">{shown}</time>')
    return element.format(at=created_at.replace(" ", "T"), shown=format_time(created_at))


def batch_label(batch: Named) -> Markup:
    """The label of a batch, as markup: its name, or the time it was created."""
    if batch.name:
        return escape(batch.name)
    return Markup(gettext("{time} 的批次")).format(time=local_time(batch.created_at))  # noqa: S704 - constant text
