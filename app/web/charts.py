"""Geometry and labels of the bar charts that ``templates/_chart.html`` draws as SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.ledger import SpendTotals
from app.errors import CAUSES
from app.web.date_range import DateRange
from app.web.formatting import money
from app.web.i18n.language import gettext, translate

WIDTH, HEIGHT = 600, 120
_GAP = 0.25  # fraction of a bar's slot
_MAX_CAUSES = 8
_PICTURES = {"hour": "每小时的图片", "day": "每天的图片", "month": "每月的图片"}
_MONEY = {"hour": "每小时的花费", "day": "每天的花费", "month": "每月的花费"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: position, heights (``doubt`` is the unresolved part) and texts."""

    x: float
    width: float
    height: float
    unresolved: float
    label: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A bar chart with its texts; ``rows`` are the same figures as a table."""

    name: str
    title: str
    summary: str
    bars: list[Bar]
    slot_width: float
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(bar.height or bar.unresolved for bar in self.bars)


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseBar:
    """Failures of one cause; ``share`` is the length in percent of the longest bar."""

    share: float
    label: str
    number: int


def pictures_chart(span: DateRange, spent: Sequence[SpendTotals]) -> Chart:
    """Paid images, one bar per hour, day or month."""
    numbers = [Decimal(one.pictures) for one in spent]
    words = [gettext("{n} 张", n=one.pictures) for one in spent]
    bars = _bars(span, numbers, [Decimal(0)] * len(spent), words)
    return Chart(
        name="pictures",
        title=gettext(_PICTURES[span.unit]),
        summary=gettext("共 {n} 张", n=sum(one.pictures for one in spent)) + _peak_text(span, numbers, words),
        bars=bars,
        slot_width=round(WIDTH / len(bars), 2),
        heads=(gettext("时间"), gettext("图片")),
        rows=[(bar.label, bar.words) for bar in bars if bar.height],
    )


def money_chart(span: DateRange, spent: Sequence[SpendTotals]) -> Chart:
    """Spending, one bar per hour, day or month; unresolved charges are stacked on charged ones."""
    billed, doubt = [one.billed for one in spent], [one.unknown for one in spent]
    paid = [money(one.billed, one.unpriced_pictures) for one in spent]
    feared = [money(one.unknown, one.unpriced_unknown) for one in spent]
    unpriced = sum(one.unpriced_pictures for one in spent)
    words = [
        one + (gettext("，另有 {sum} 待确认", sum=feared[i]) if doubt[i] else "")
        for i, one in enumerate(paid)
    ]
    summary = gettext("共 {sum}", sum=money(sum(billed, Decimal(0)), unpriced)) + _peak_text(
        span, billed, paid
    )
    if any(doubt):
        summary += gettext("；另有 {sum} 待确认", sum=money(sum(doubt, Decimal(0))))
    bars = _bars(span, billed, doubt, words)
    return Chart(
        name="money",
        title=gettext(_MONEY[span.unit]),
        summary=summary,
        bars=bars,
        slot_width=round(WIDTH / len(bars), 2),
        heads=(gettext("时间"), gettext("已计费"), gettext("可能已计费")),
        rows=[(bar.label, paid[i], feared[i]) for i, bar in enumerate(bars) if bar.height or bar.unresolved],
    )


def causes_chart(failures: Mapping[str, int]) -> list[CauseBar]:
    """Failures by cause, most frequent first; the rarest are merged into one."""
    named: dict[str, int] = {}
    for place, (cause, number) in enumerate(failures.items()):
        label = translate("其他" if place >= _MAX_CAUSES else CAUSES.get(cause, cause) or "没有说明原因")
        named[label] = named.get(label, 0) + number
    most = max(named.values(), default=1)
    return [
        CauseBar(share=round(100 * number / most, 1), label=label, number=number)
        for label, number in named.items()
    ]


def _bars(
    span: DateRange, numbers: Sequence[Decimal], doubts: Sequence[Decimal], words: Sequence[str]
) -> list[Bar]:
    most = max(number + doubt for number, doubt in zip(numbers, doubts, strict=True)) or Decimal(1)
    room = WIDTH / len(numbers)
    return [
        Bar(
            x=round(room * (index + _GAP / 2), 2),
            width=round(room * (1 - _GAP), 2),
            height=round(float(numbers[index] / most) * HEIGHT, 2),
            unresolved=round(float(doubts[index] / most) * HEIGHT, 2),
            label=label,
            words=words[index],
        )
        for index, label in enumerate(span.labels)
    ]


def _peak_text(span: DateRange, numbers: Sequence[Decimal], words: Sequence[str]) -> str:
    if not any(numbers) or len(numbers) == 1:
        return ""
    at = max(range(len(numbers)), key=lambda index: numbers[index])
    return gettext("，最多的是 {when}：{what}", when=span.labels[at], what=words[at])
