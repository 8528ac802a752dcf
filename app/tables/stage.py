"""Where a table stands and what comes next: one sentence, one action, what stands beside it, all counts.

Every page and answer shows these figures and no others. Pure: it is handed the totals of the table, its open
run and what its clients said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import database
from app.domain import PauseCause
from app.errors import Message, message


class StageName(StrEnum):
    """The first that holds, in the order of ``stage_of``."""

    EMPTY = "empty"
    ASKS = "asks"
    RUNNING = "running"
    PAUSED = "paused"
    TRIAL = "trial"
    ANSWERED = "answered"
    PROBLEMS = "problems"
    TO_MAKE = "to_make"
    FAILED = "failed"
    DELIVERED = "delivered"
    MADE = "made"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What can be done; ``label`` has the price, in CNY, of what it orders (None: nothing, or not known), and
    the number of rows that it orders or leads to."""

    name: str
    label: Message
    price: Decimal | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """``action`` is the filled button, ``beside`` the quiet ones."""

    name: StageName
    sentence: Message
    action: Action | None = None
    beside: Sequence[Action] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAnswer:
    """What a client submitted: pictures that he chose, and his sentences that are not worked through."""

    client: str
    chosen: int
    sentences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The column of which an import asks whether it has the words."""

    column: str


LOOK = Action(name="look", label=message("看图"))
DELIVER = Action(name="deliver", label=message("交付…"))
SHARE = Action(name="share", label=message("给客户看…"))
_MENDS = {
    PauseCause.BUDGET: Action(name="raise_budget", label=message("调高预算")),
    PauseCause.KEY: Action(name="change_key", label=message("换密钥")),
    PauseCause.MODEL: Action(name="change_key", label=message("换密钥")),
}
_RESUME = Action(name="resume", label=message("继续"))
COUNTS = (
    *("rows", "pictures", "made", "running", "queued", "held", "to_make", "failed", "unknown", "paid"),
    *("problems", "looked_at", "kept"),
)
OF_SETS = ("products", "sets_made", "sets_kept")


def counts_of(totals: database.TableTotals) -> dict[str, int]:
    """All counts: cells in ``problems``, rows, products and sets as they say, else pictures. Of equal rows a
    picture counts once: what is made, under way, held, to make or missing adds up to ``pictures``."""
    found = {name: int(getattr(totals, name)) for name in COUNTS}
    found["pictures"] = sum(found[name] for name in COUNTS[2:10])
    if sets := totals.sets:
        found |= dict(zip(OF_SETS, (sets.all, sets.made, sets.complete), strict=True))
    return found


def stage_of(
    totals: database.TableTotals,
    run: database.OpenRun | None = None,
    answer: ClientAnswer | None = None,
    question: Question | None = None,
    *,
    seconds: int | None = None,
    day: str = "",
) -> Stage:
    """The first stage that holds. ``seconds`` to go, where they are known; ``day``: of the last delivery."""
    left, look = totals.running + totals.queued, (LOOK,) if totals.made else ()
    if question:
        choose = Action(name="choose_column", label=message("选好这一列"))
        sentence = message("「{column}」是提示词吗？", column=question.column)
        return Stage(name=StageName.ASKS, sentence=sentence, action=choose)
    if not totals.rows:
        load = Action(name="import", label=message("📂 导入 Excel"))
        first = Action(name="add", label=message("写第一行"))
        return Stage(name=StageName.EMPTY, sentence=message("还没有内容"), action=load, beside=(first,))
    if left and (run is None or run.is_active or run.cause == PauseCause.SAMPLE):
        return Stage(name=StageName.RUNNING, sentence=_progress(totals.made, left, seconds), beside=look)
    if left and run:
        reason = run.reason or message("已暂停，还有 {queued} 张没有开始", queued=f"{totals.queued:,}")
        mend = _MENDS.get(PauseCause(run.cause), _RESUME)
        beside = look if mend is _RESUME else (_RESUME, *look)
        return Stage(name=StageName.PAUSED, sentence=reason, action=mend, beside=beside)
    if totals.held:
        return _trial(totals, run)
    if answer and answer.sentences:
        text = "{client}：选了 {n} 张，{sentences} 句要改"
        values = {"n": answer.chosen, "sentences": answer.sentences}
        sentence = message(text, client=answer.client, **values)
        read = Action(name="answers", label=message("看他说的"))
        return Stage(name=StageName.ANSWERED, sentence=sentence, action=read)
    return _to_do(totals) or _done(totals, day)


def _progress(made: int, left: int, seconds: int | None) -> Message:
    values = {"made": f"{made:,}", "left": f"{left:,}"}
    if not seconds:
        return message("做好 {made}，还有 {left}", **values)
    minutes = -(-seconds // 60)
    hours, rest = divmod(minutes, 60)
    long = message("{hours} 小时 {minutes} 分", hours=hours, minutes=rest)
    short = message("{minutes} 分钟", minutes=minutes)
    time = message("{seconds} 秒", seconds=seconds) if seconds < 60 else long if hours else short
    return message("做好 {made}，还有 {left}，约 {time}", **values, time=time)


def _trial(totals: database.TableTotals, run: database.OpenRun | None) -> Stage:
    tried = run.reason.values.get("tried") if run else None
    held = totals.held_rows
    sentence = message("试了 {n} 行，等你看", n=tried) if tried else message("{n} 行等你看过", n=f"{held:,}")
    text = "做其余的 {n} 行 · {sum}"
    label = message(text, n=f"{held:,}", sum=sum_of(totals.held_price))
    release = Action(name="release", label=label, price=totals.held_price, rows=held)
    edit = Action(name="edit", label=message("不满意：改词再试"))
    return Stage(name=StageName.TRIAL, sentence=sentence, action=release, beside=(edit,))


def _to_do(totals: database.TableTotals) -> Stage | None:
    look = (LOOK,) if totals.made else ()
    bad, problems = f"{totals.problems:,}", message("{bad} 处要改", bad=f"{totals.problems:,}")
    if totals.problems and not totals.to_make:
        fix = Action(name="fix", label=message("改好这 {n} 处", n=bad))
        return Stage(name=StageName.PROBLEMS, sentence=problems, action=fix, beside=look)
    if totals.to_make:
        start = message("🚀 开始批量生成")
        if totals.price != 0:
            start = message("{label} · {sum}", label=start, sum=sum_of(totals.price))
        beside = [Action(name="sample", label=message("先试几行"))] if totals.to_make > 1 else []
        beside += [Action(name="fix", label=problems)] if totals.problems else []
        return Stage(
            name=StageName.TO_MAKE,
            sentence=message("要做 {n} 张", n=f"{totals.to_make:,}"),
            action=Action(name="start", label=start, price=totals.price),
            beside=beside,
        )
    if missing := totals.failed + totals.unknown + totals.paid:
        sentence = message("{made} 张做好，{n} 张没有成功", made=f"{totals.made:,}", n=f"{missing:,}")
        failed = Action(name="failed", label=message("看没有成功的"))
        return Stage(name=StageName.FAILED, sentence=sentence, action=failed, beside=look)
    return None


def _done(totals: database.TableTotals, day: str) -> Stage:
    if totals.delivered:
        sentence = message("{day}交付了 {n} 张", day=day, n=f"{totals.files:,}")
        return Stage(name=StageName.DELIVERED, sentence=sentence, beside=(DELIVER, SHARE))
    if totals.kept and totals.looked_at >= totals.made:
        kept = f"{totals.kept:,}"
        deliver = Action(name="deliver", label=message("交付 {n} 张…", n=kept))
        sentence = message("留下 {n} 张", n=kept)
        return Stage(name=StageName.KEPT, sentence=sentence, action=deliver, beside=(SHARE,))
    sets, unseen = totals.sets, totals.made - totals.looked_at
    if sets and sets.made == sets.all:
        sentence = message("{n} 套都做好了 · 挑好 {kept} 套", n=f"{sets.all:,}", kept=f"{sets.complete:,}")
    elif unseen:
        sentence = message("{n} 张都做好了，{unseen} 张没看", n=f"{totals.made:,}", unseen=f"{unseen:,}")
    else:
        sentence = message("{n} 张都做好了", n=f"{totals.made:,}")
    return Stage(name=StageName.MADE, sentence=sentence, action=LOOK, beside=(DELIVER,))


def sum_of(price: Decimal | None) -> str | Message:
    """CNY with two decimals, more only if not zero."""
    if price is None:
        return message("价格未设")
    cents = price.quantize(Decimal("0.01"))
    return f"¥{cents:,f}" if cents == price else f"¥{price.normalize():,f}"
