"""Where a table stands and what comes next, by its totals, its run and what its clients said."""

from decimal import Decimal
from typing import Any

import pytest

import database
from app.core.tables.totals import Sets
from app.domain import PauseCause
from app.errors import Message, message
from app.tables.stage import ClientAnswer, Question, counts_of, stage_of

SUM = Decimal("94.16")


def totals(**fields: Any) -> database.TableTotals:
    return database.TableTotals(**{"rows": 60} | fields)


def run(cause: str = "", reason: Message | None = None) -> database.OpenRun:
    return database.OpenRun(id="b", is_active=not cause, cause=cause, reason=reason or message(""))


def paused(cause: PauseCause, reason: str = "") -> dict[str, Any]:
    return {"run": run(cause, message(reason))}


TRIED = message("先试的 {tried} 行做完了，看过再放行其余 {held} 行", tried="8", held="374")
WAITING = {"made": 8, "held": 428, "held_rows": 374, "held_price": SUM}


@pytest.mark.parametrize(
    ("fields", "known", "name", "sentence", "action", "beside"),
    [
        ({"rows": 0}, {}, "empty", "还没有内容", "📂 导入 Excel", ["写第一行"]),
        (
            {"rows": 0},
            {"question": Question(column="图片要求")},
            "asks",
            "「图片要求」是提示词吗？",
            "选好这一列",
            [],
        ),
        (
            {"made": 138, "queued": 300, "running": 13, "to_make": 4},
            {"run": run(), "seconds": 32},
            "running",
            "做好 138，还有 313，约 32 秒",
            None,
            ["看图"],
        ),
        ({"queued": 2}, {"run": run(), "seconds": 61}, "running", "做好 0，还有 2，约 2 分钟", None, []),
        (
            {"queued": 2},
            {"run": run(), "seconds": 3601},
            "running",
            "做好 0，还有 2，约 1 小时 1 分",
            None,
            [],
        ),
        ({"queued": 2}, {}, "running", "做好 0，还有 2", None, []),
        (
            {"queued": 1313},
            paused(PauseCause.USER),
            "paused",
            "已暂停，还有 1,313 张没有开始",
            "继续",
            [],
        ),
        (
            {"made": 1, "queued": 3},
            paused(PauseCause.BUDGET, "本月预算用完了"),
            "paused",
            "本月预算用完了",
            "调高预算",
            ["继续", "看图"],
        ),
        ({"queued": 3}, paused(PauseCause.KEY, "密钥不对"), "paused", "密钥不对", "换密钥", ["继续"]),
        (
            WAITING,
            {"run": run("sample", TRIED)},
            "trial",
            "试了 8 行，等你看",
            "做其余的 374 行 · ¥94.16",
            ["不满意：改词再试"],
        ),
        (
            {"made": 60, "kept": 6, "problems": 1},
            {"answer": ClientAnswer(client="悦木家居", chosen=6, sentences=2)},
            "answered",
            "悦木家居：选了 6 张，2 句要改",
            "看他说的",
            [],
        ),
        ({"made": 9, "problems": 13}, {}, "problems", "13 处要改", "改好这 13 处", ["看图"]),
        (
            {"to_make": 451, "price": Decimal("99.22"), "problems": 13, "failed": 2},
            {},
            "to_make",
            "要做 451 张",
            "🚀 开始批量生成 · ¥99.22",
            ["先试几行", "13 处要改"],
        ),
        ({"to_make": 1}, {}, "to_make", "要做 1 张", "🚀 开始批量生成", []),
        ({"to_make": 1, "price": None}, {}, "to_make", "要做 1 张", "🚀 开始批量生成 · 价格未设", []),
        (
            {"made": 424, "failed": 9, "unknown": 1, "paid": 2, "delivered": True},
            {},
            "failed",
            "424 张做好，12 张没有成功",
            "看没有成功的",
            ["看图"],
        ),
        (
            {"made": 67, "kept": 60, "looked_at": 67, "delivered": True, "files": 60},
            {"day": "12月2日"},
            "delivered",
            "12月2日交付了 60 张",
            None,
            ["交付…", "给客户看…"],
        ),
        ({"made": 67, "looked_at": 9, "kept": 3}, {}, "made", "67 张都做好了，58 张没看", "看图", ["交付…"]),
        ({"made": 2, "looked_at": 2}, {}, "made", "2 张都做好了", "看图", ["交付…"]),
        (
            {"made": 180, "sets": Sets(made=36, complete=0, all=36)},
            {},
            "made",
            "36 套都做好了 · 挑好 0 套",
            "看图",
            ["交付…"],
        ),
        (
            {"made": 67, "looked_at": 67, "kept": 60},
            {},
            "kept",
            "留下 60 张",
            "交付 60 张…",
            ["给客户看…"],
        ),
    ],
)
def test_the_first_stage_that_holds_says_one_sentence_and_one_action(
    fields: dict[str, Any],
    known: dict[str, Any],
    name: str,
    sentence: str,
    action: str | None,
    beside: list[str],
) -> None:
    stage = stage_of(totals(**fields), **known)
    assert (stage.name, str(stage.sentence)) == (name, sentence)
    assert (stage.action and str(stage.action.label)) == action
    assert [str(each.label) for each in stage.beside] == beside


def test_an_action_that_orders_has_the_price_of_what_it_orders() -> None:
    start = stage_of(totals(to_make=2, price=SUM)).action
    release = stage_of(totals(**WAITING), run("sample", TRIED)).action
    assert start
    assert release
    assert (start.price, release.price, release.rows) == (SUM, SUM, 374)


def test_pictures_are_those_that_the_other_counts_add_up_to() -> None:
    parts = {
        "made": 1,
        "running": 2,
        "queued": 3,
        "held": 4,
        "to_make": 5,
        "failed": 6,
        "unknown": 7,
        "paid": 8,
    }
    counts = counts_of(totals(**parts, pictures=99, sets=Sets(made=2, complete=1, all=3)))
    assert counts["pictures"] == sum(parts.values())
    assert (counts["products"], counts["sets_made"], counts["sets_kept"]) == (3, 2, 1)
