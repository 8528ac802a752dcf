"""Filters and search above and in the list of records: the chips of filters, and where a search matches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup, escape

import database
from app.domain import ASPECT_RATIOS, RESOLUTIONS, Pick, Record, Status
from app.domain.records import STATUS_LABELS
from app.errors import NotFound
from app.web.formatting import batch_label
from app.web.i18n import gettext, translate
from app.web.page_model import model_labels
from app.web.services import services

_PICK_LABELS = {Pick.KEEP: "留下的", Pick.REJECT: "淘汰的", database.NOT_PICKED: "没看的"}
_FACETS = (
    ("aspect_ratio", "比例", ASPECT_RATIOS),
    ("resolution", "分辨率", RESOLUTIONS),
    ("model", "模型", ()),
)
Link = Callable[..., str]  # query parameters -> URL of the list; an empty one is removed
_BEFORE_HIT = 40  # characters shown before the first hit of a text that is cut
_MARK = Markup("<mark>{}</mark>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One filter value; ``number`` is its exact record count, if known."""

    value: str
    label: str
    href: str
    is_on: bool
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One filter. ``shown`` is the text of its value, empty when inactive."""

    name: str
    label: str
    shown: str
    clear: str
    choices: tuple[Choice, ...] = ()


def chips_for(
    db: database.Connection, query: Mapping[str, str], record_filter: database.RecordFilter, link: Link
) -> list[Chip]:
    """All chips for the query string and the filter parsed from it."""
    counts = database.count_facets(db, trash=record_filter.trash)
    return [
        *_search_chips(record_filter, link),
        _statuses(record_filter, counts["status"], link),
        *(_facet(name, label, usual, query, counts[name], link) for name, label, usual in _FACETS),
        _chip("batch_id", "批次", _batch_text(db, record_filter.batch_id), link),
        *_people(db, record_filter.person_id, link),
        _days(query.get("from", ""), query.get("to", ""), link),
        _picks(record_filter, database.count_kept(db, trash=record_filter.trash), link),
    ]


def _chip(name: str, label: str, shown: str, link: Link, choices: Iterable[Choice] = ()) -> Chip:
    return Chip(
        name=name, label=gettext(label), shown=shown, clear=link(**{name: ""}), choices=tuple(choices)
    )


def _search_chips(record_filter: database.RecordFilter, link: Link) -> list[Chip]:
    """Where a search looks, and, if it is by words, that it is."""
    if not record_filter.search:
        return []
    is_on, label = bool(record_filter.search_in), gettext("提示词")
    choice = Choice(value="prompt", label=label, href=link(**{"in": "prompt"}), is_on=is_on)
    places = _chip("in", "搜索范围", label if is_on else "", link, [choice])
    label = gettext("每个词都有")
    choice = Choice(value="all", label=label, href=link(words=""), is_on=True)
    by_words = _chip("words", "搜索方式", label, link, [choice])
    return [places, by_words] if record_filter.every_word else [places]


def _statuses(record_filter: database.RecordFilter, counts: Mapping[str, int], link: Link) -> Chip:
    """Multiple choice: each link adds or removes its status."""

    def toggled(status: Status) -> str:
        return link(status=",".join(s for s in Status if (s in record_filter.statuses) != (s == status)))

    choices = (
        Choice(
            value=status,
            label=gettext(label),
            href=toggled(status),
            is_on=status in record_filter.statuses,
            number=counts.get(status, 0),
        )
        for status, label in STATUS_LABELS.items()
        if counts.get(status) or status in record_filter.statuses
    )
    shown = gettext("、").join(gettext(STATUS_LABELS[Status(status)]) for status in record_filter.statuses)
    return _chip("status", "状态", shown, link, choices)


def _facet(
    name: str,
    label: str,
    usual: tuple[str, ...],
    query: Mapping[str, str],
    counts: Mapping[str, int],
    link: Link,
) -> Chip:
    """The values that records have: the usual ones first, in their order; models by their labels."""
    chosen = query.get(name, "")
    values = sorted(filter(None, counts), key=lambda value: (*usual, value).index(value))
    labels = {}
    if name == "model":  # those that only change pictures are no models of rows
        labels = {value: translate(services().label_of(value)) for value in values}
        labels |= model_labels(services().models)
    choices = (
        Choice(
            value=value,
            label=labels.get(value, value),
            href=link(**{name: value}),
            is_on=value == chosen,
            number=counts[value],
        )
        for value in values
    )
    return _chip(name, label, labels.get(chosen, chosen), link, choices)


def _batch_text(db: database.Connection, batch_id: str) -> str:
    """The label of the batch; the choices of its chip are loaded when it is opened."""
    try:
        return batch_label(database.get_batch(db, batch_id)) if batch_id else ""
    except NotFound:
        return gettext("{id}（没有这个批次）", id=batch_id[:8])


def _people(db: database.Connection, person_id: int, link: Link) -> list[Chip]:
    """Whose they are, where there are several people."""
    if not (person_id or database.had_several_people(db)):
        return []
    names = database.list_names(db)
    choices = [
        Choice(value=str(key), label=name, href=link(person=key), is_on=key == person_id)
        for key, name in names.items()
    ]
    shown = names.get(person_id, str(person_id)) if person_id else ""
    return [_chip("person", "下单人", shown, link, choices)]


def _days(start: str, end: str, link: Link) -> Chip:
    today = date.today()
    yesterday = today - timedelta(days=1)
    ranges = {
        "今天": (today, today),
        "昨天": (yesterday, yesterday),
        "最近 7 天": (today - timedelta(days=6), today),
        "最近 30 天": (today - timedelta(days=29), today),
        "今年": (today.replace(month=1, day=1), today),
    }
    choices = tuple(
        Choice(
            value=f"{first} {last}",
            label=gettext(label),
            href=link(**{"from": str(first), "to": str(last)}),
            is_on=(start, end) == (str(first), str(last)),
        )
        for label, (first, last) in ranges.items()
    )
    shown = next((choice.label for choice in choices if choice.is_on), "")
    if not shown and (start or end):
        text = "{start} 至 {end}" if start and end else "{start} 起" if start else "{end} 止"
        shown = gettext(text, start=start, end=end)
    clear = link(**{"from": "", "to": ""})
    return Chip(name="days", label=gettext("日期"), shown=shown, clear=clear, choices=choices)


def _picks(record_filter: database.RecordFilter, kept: int, link: Link) -> Chip:
    choices = [
        Choice(
            value=value,
            label=gettext(label),
            href=link(pick=value),
            is_on=value == record_filter.pick,
            number=kept if value == Pick.KEEP else None,
        )
        for value, label in _PICK_LABELS.items()
    ]
    shown = next((choice.label for choice in choices if choice.is_on), "")
    return _chip("pick", "挑选", shown, link, choices)


def marked(text: str, words: Sequence[str], limit: int) -> Markup:
    """At most ``limit`` characters of a text, with the first of these normalised words; all are marked."""
    spans = database.find_spans(text, words) if words else []
    start = max(0, spans[0][0] - _BEFORE_HIT) if spans and spans[0][1] > limit else 0
    end = len(text) if len(text) - start <= limit else start + limit
    shown, at = Markup("…") if start else Markup(), start
    for first, last in spans:
        if last > at and first < end:
            shown += escape(text[at:first]) + _MARK.format(text[max(first, at) : min(last, end)])
            at = min(last, end)
    return shown + escape(text[at:end]) + ("…" if end < len(text) else "")


def other_hits(
    record: Record, words: Sequence[str], batch_name: str, *, is_named: bool = False
) -> Iterator[tuple[str, str]]:
    """(label, text) of the first fields with the words that the prompt lacks.

    ``is_named``: the list shows the file name and the batch with their marks, so they are left out.
    """
    missing = [word for word in words if not database.find_spans(record.prompt, [word])]
    names = (
        (gettext("文件名"), record.filename or record.requested_filename),
        (gettext("批次"), batch_name),
    )
    fields = ((gettext("负面提示词"), record.negative_prompt), *names, *record.columns.items())
    for field in fields:
        found = [word for word in missing if database.find_spans(field[1], [word])]
        if found and not (is_named and field in names):
            yield field
        missing = [word for word in missing if word not in found]
