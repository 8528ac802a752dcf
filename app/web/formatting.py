"""Formats times, amounts and batch names for pages; an unknown price is shown as unknown, never as 0.

Pages contain UTC and the server's local time; ``<local-time>`` (static/js/ui/local_time.js) replaces it by
the browser's.
"""

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from flask import Flask
from jinja2.bccache import Bucket, FileSystemBytecodeCache
from markupsafe import Markup, escape

from app.domain import PLACES, RESOLUTIONS, Batch, ModelSpec, Record, edge_problem, mark_word
from app.domain.ledger import BatchSpend, SpendGroup, known_amount
from app.images import store
from app.library.library import shown_at
from app.web.batch_columns import option_texts
from app.web.i18n import day_in_words, gettext, month_in_words, translate
from app.web.services import services

_TRASH_DAYS = 30


class _CompiledTemplates(FileSystemBytecodeCache):
    """Keeps compiled templates in the system's temporary folder, so that the next start compiles none."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):  # a full disk, or the folder was cleared
            super().dump_bytecode(bucket)


def init_formatting(app: Flask) -> None:
    """Register the filters and globals of the templates."""
    with contextlib.suppress(OSError, RuntimeError):  # the temporary folder belongs to another user
        app.jinja_env.bytecode_cache = _CompiledTemplates()
    of_values = (
        month,
        local_time,
        batch_label,
        days_left,
        cost,
        plain_amount,
        model_label,
    )
    filters = (*of_values, digest, format_time, mark_word, edge_problem, option_texts)
    app.jinja_env.filters.update({function.__name__: function for function in filters})
    app.jinja_env.filters["reference_thumbnail"] = shown_at
    app.jinja_env.globals.update(money=money, upload_limit=store.MAX_UPLOAD_BYTES, mark_places=PLACES)


def digest(values: object) -> str:
    """A short key of ``values``, by which a list that is drawn again knows what is still the same."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:12]


def format_time(created_at: str) -> str:
    """Stored UTC -> local time in the format of static/js/core/i18n.js."""
    try:
        at = _here(created_at)
    except ValueError:
        return created_at
    now = datetime.now().astimezone()
    if at.date() == now.date():
        return gettext("今天 {clock}", clock=f"{at:%H:%M}")
    return f"{day_in_words(at, with_year=at.year != now.year)} {at:%H:%M}"


def _here(stored: str) -> datetime:
    return datetime.fromisoformat(stored).replace(tzinfo=UTC).astimezone()


def local_day(stored: str) -> str:
    """The day of stored UTC in the time of the server: 12月2日."""
    at = _here(stored)
    return day_in_words(at, with_year=at.year != datetime.now().year)


def month(created_at: str) -> str:
    """The month of stored UTC in the time of the server: 2026年12月."""
    return month_in_words(_here(created_at))


def local_time(created_at: str) -> Markup:
    """Stored UTC -> a ``<local-time>`` element that the browser shows in its own time zone."""
    element = Markup('<local-time><time datetime="{at}Z">{shown}</time></local-time>')
    return element.format(at=created_at.replace(" ", "T"), shown=format_time(created_at))


def batch_label(batch: Batch | BatchSpend | SpendGroup) -> Markup:
    """The label of a batch, as markup: its name, or the time it was created, numbered within its minute."""
    if batch.name:
        return escape(batch.name)
    number = f" ({batch.number_in_minute})" if batch.number_in_minute > 1 else ""
    label = Markup(gettext("{time} 的批次"))  # noqa: S704 - constant text
    return label.format(time=local_time(batch.created_at)) + number


def model_label(model_id: str) -> str:
    """The label of a model in the language of the request; its id when it is not there any more."""
    return translate(services().label_of(model_id))


def resolutions(spec: ModelSpec) -> list[str]:
    """The resolutions that this model has for some ratio, smallest first."""
    return [one for one in RESOLUTIONS if any(one == other for _, other in spec.sizes)]


def days_left(deleted_at: str) -> int:
    """Whole days until the record is purged from the trash."""
    purged_at = datetime.fromisoformat(deleted_at).replace(tzinfo=UTC) + timedelta(days=_TRASH_DAYS)
    return max((purged_at - datetime.now(UTC)).days, 0)


def money(amount: Decimal | None, unpriced: int = 0) -> str:
    """CNY with two decimals, more only if not zero. ``unpriced`` charges are not in the amount."""
    if amount is None or known_amount(amount, unpriced) is None:
        return gettext("价格未设")
    cents = amount.quantize(Decimal("0.01"))
    return f"¥{cents:,f}" if cents == amount else f"¥{amount.normalize():,f}"


def cost(record: Record) -> str:
    """Cost of a record, or the amount that may have been charged."""
    if record.cost is None or (not record.cost and record.at_stake is None):
        return gettext("价格未设")
    if record.cost:
        return f"¥{record.cost:.2f}"
    return gettext("可能已计费 {sum}", sum=money(record.at_stake)) if record.at_stake else gettext("免费")


def plain_amount(amount: Decimal | None) -> str:
    """CNY for scripts, as ``0.44``; empty when unknown."""
    return "" if amount is None else f"{amount:.2f}"
