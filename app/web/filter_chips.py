"""The filter chips above the list of records: choices, active values and their links."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import database
from app.domain import ASPECT_RATIOS, RESOLUTIONS, Status
from app.errors import NotFound
from app.web.formatting import batch_label
from app.web.i18n.language import gettext, translate

STATUS_WORDS = {
    Status.SUCCESS: "成功",
    Status.FAILED: "失败",
    Status.UNKNOWN: "结果未知",
    Status.CANCELLED: "已取消",
    Status.RUNNING: "生成中",
    Status.QUEUED: "等待中",
}
Link = Callable[..., str]


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
    db: database.Connection, asked: Mapping[str, str], wanted: database.RecordFilter, link: Link
) -> list[Chip]:
    """All chips for the query string and the filter parsed from it."""
    kinds = database.count_facets(db, trash=wanted.trash)
    return [
        _statuses(wanted, kinds["status"], link),
        _kind(
            "aspect_ratio", gettext("比例"), asked, _sorted_counts(kinds["aspect_ratio"], ASPECT_RATIOS), link
        ),
        _kind("resolution", gettext("分辨率"), asked, _sorted_counts(kinds["resolution"], RESOLUTIONS), link),
        _kind("model", gettext("模型"), asked, kinds["model"], link),
        _batch(db, wanted.batch_id, link),
        _days(asked, link),
        _favourite(wanted, kinds["favourite"].get("1", 0), link),
    ]


def _statuses(wanted: database.RecordFilter, counts: Mapping[str, int], link: Link) -> Chip:
    """Multiple choice: each link adds or removes its status."""

    def toggled(status: Status) -> str:
        rest = [s for s in Status if (s in wanted.statuses) != (s == status)]
        return link(status=",".join(rest))

    choices = tuple(
        Choice(
            value=status,
            label=translate(label),
            href=toggled(status),
            is_on=status in wanted.statuses,
            number=counts.get(status, 0),
        )
        for status, label in STATUS_WORDS.items()
        if counts.get(status) or status in wanted.statuses
    )
    shown = gettext("、").join(translate(STATUS_WORDS[Status(status)]) for status in wanted.statuses)
    return Chip(name="status", label=gettext("状态"), shown=shown, clear=link(status=""), choices=choices)


def _kind(name: str, label: str, asked: Mapping[str, str], counts: Mapping[str, int], link: Link) -> Chip:
    chosen = asked.get(name, "")
    choices = tuple(
        Choice(value=value, label=value, href=link(**{name: value}), is_on=value == chosen, number=number)
        for value, number in counts.items()
        if value
    )
    return Chip(name=name, label=label, shown=chosen, clear=link(**{name: ""}), choices=choices)


def _sorted_counts(counts: Mapping[str, int], usual: tuple[str, ...]) -> dict[str, int]:
    others = [value for value in counts if value not in usual]
    return {value: counts[value] for value in (*usual, *others) if value in counts}


def _batch(db: database.Connection, batch_id: str, link: Link) -> Chip:
    """The batch chip; its choices are loaded when it is opened."""
    shown = batch_id
    if batch_id:
        try:
            shown = batch_label(database.get_batch(db, batch_id))
        except NotFound:
            shown = gettext("{id}（没有这个批次）", id=batch_id[:8])
    return Chip(name="batch_id", label=gettext("批次"), shown=shown, clear=link(batch_id=""))


def _days(asked: Mapping[str, str], link: Link) -> Chip:
    start, end = asked.get("from", ""), asked.get("to", "")
    today = date.today()
    spans = {
        "今天": (today, today),
        "昨天": (today - timedelta(days=1), today - timedelta(days=1)),
        "最近 7 天": (today - timedelta(days=6), today),
        "最近 30 天": (today - timedelta(days=29), today),
        "今年": (today.replace(month=1, day=1), today),
    }
    choices = tuple(
        Choice(
            value=f"{first} {last}",
            label=translate(label),
            href=link(**{"from": f"{first}", "to": f"{last}"}),
            is_on=(start, end) == (f"{first}", f"{last}"),
        )
        for label, (first, last) in spans.items()
    )
    shown = next((choice.label for choice in choices if choice.is_on), "")
    if not shown and (start or end):
        shown = gettext(
            "{start} 至 {end}" if start and end else "{start} 起" if start else "{end} 止",
            start=start,
            end=end,
        )
    clear = link(**{"from": "", "to": ""})
    return Chip(name="days", label=gettext("日期"), shown=shown, clear=clear, choices=choices)


def _favourite(wanted: database.RecordFilter, number: int, link: Link) -> Chip:
    is_on = wanted.favourite is True
    choice = Choice(value="1", label=gettext("收藏"), href=link(favourite="1"), is_on=is_on, number=number)
    return Chip(
        name="favourite",
        label=gettext("收藏"),
        shown=gettext("收藏") if is_on else "",
        clear=link(favourite=""),
        choices=(choice,),
    )
