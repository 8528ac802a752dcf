"""Headers as people write them: what each means, and what is never the prompt."""

import datetime

import pytest

from app.errors import SpreadsheetError
from app.sheets.header_synonyms import meaning
from tests.sheets.tables import notes, read

HEADERS = {
    "prompt": (
        "提示词 Prompt|提示词(必填)|*提示词|提示词：|1.提示词|① 提示词|①提示词|1️⃣ 提示词|一、提示词"
        "|A. Prompt|【提示词】|【提示词|提示词）|提示词（中文，不超过2000字）|提示词（见 sheet2（说明））"
        "|【提示词（必填）】|（必填）【提示词】|提示词必填|Prompt / 提示词|Prompt required|提\u200b示词\ufeff"
        "|\u2060提示词\u00ad|ＰＲＯＭＰＴ|中文提示词|AI提示词|提示词（不能为空）|提示词（避免敏感词）|提示词（禁止涉黄）"
        "|提示词（负责人填写）|Prompt (do not leave blank)|画面描述|描述词|文案提示词"
        "|提示词\u3000|\u00a0提示词|Prompt|PROMPT|正向提示词|提示\n词|*提示词（必填）："
    ),
    "negative_prompt": (
        "Negative prompt|negative-prompt|negative_prompt|反向提示词|负向提示词|负面词|不要出现"
        "|画面中不要出现|不要的元素|提示词（负面）|提示词 (negative)|Prompt (Negative)|提示词-负面"
        "|提示词反向|Prompt_neg|neg prompt|提示词（不要出现的内容）|提示词（反）|负面 / 提示词"
        "|负面提示词（选填，不想出现的东西）|反向提示词 Negative Prompt|负\u200b面提示词|2、负面提示词"
    ),
    "aspect_ratio": (
        "比例|尺寸比例|画幅|比例 Ratio|图片比例（下拉选择）|尺寸/比例|宽高比*"
        "|宽高比|图片\r\n比例|图片比例[可选]|Aspect Ratio|ASPECT_RATIO|ａｓｐｅｃｔ－ｒａｔｉｏ"
    ),
    "resolution": ("清晰度|分辨率|分辨率（1K/2K/4K）|Resolution｜分辨率"),
    "references": (
        "参考图1|参考图 2|参考图一|垫图|参考示例图|参考图|示例图文件名|Reference Images"
        "|Reference image 1 / 参考图1|参考图（最多4张）"
    ),
    "num_images": ("张数|数量|Copies|生成数量|生成数量（张）|数量(选填)|出图张数"),
    "filename": ("文件名|命名|图片名称|文件名 (不写扩展名)"),
    "seed": ("种子|seed值|种子（Seed）|随机种子"),
    "steps": ("步数|采样步数 Steps"),
    "model": ("模型|使用模型|用哪个模型|AI 模型|Model name"),
}


@pytest.mark.parametrize(
    ("header", "field"), [(header, field) for field, all_ in HEADERS.items() for header in all_.split("|")]
)
def test_a_header_is_recognised_in_its_common_spellings(header: str, field: str) -> None:
    found = meaning(header)

    assert found is not None
    assert found.field == field


@pytest.mark.parametrize(
    "around",
    ["{}", "【{}】", "1. {}（必填）", "*{}：", "\ufeff{}\u200b", "{} / Prompt", "提示词（{}）", "提示词-{}"],
)
@pytest.mark.parametrize(
    "word",
    [
        *("负面", "负向", "反向", "反向提示词", "负面词", "負面", "否定", "不要", "不要出现", "不想看到"),
        *("不希望出现", "避免出现", "排除", "禁止出现", "negative", "neg", "avoid", "exclude"),
    ],
)
def test_a_negative_prompt_header_is_never_the_prompt(word: str, around: str) -> None:
    found = meaning(around.format(word))

    assert found is None or found.field != "prompt"


@pytest.mark.parametrize(
    "header",
    [
        *(
            "提示词/负面提示词",
            "Prompt No.",
            "提示词编号",
            "提示词1",
            "提示词(-)",
            "提示词 -",
            "提示词 (no text)",
        ),
        *("非负面提示词", "比例/分辨率", "同行张数", "描述", "视频提示词", "反面"),
    ],
)
def test_an_ambiguous_header_is_not_guessed(header: str) -> None:
    assert meaning(header) is None


@pytest.mark.parametrize(
    "rows",
    [
        [("提示词：一只猫在窗台上",), ("提示词：一只狗",)],
        [("【提示词】一只猫",), ("提示词：一只狗",)],
        [("提示词、一只猫",), ("提示词：一只狗",)],
        [("Prompt: a cat on the roof",), ("提示词：一只狗",)],
        [("一只猫",), ("提示词：一只狗",)],
        [("画面描述", "一只猫在窗台上"), ("风格", "水彩")],  # a form
    ],
)
def test_a_first_line_that_is_a_prompt_is_no_header(rows: list[tuple[str, ...]]) -> None:
    with pytest.raises(SpreadsheetError, match="没有找到「提示词」这一列"):
        read(*rows)


def test_a_guessed_column_is_noted() -> None:
    found = read(("画面描述", "画幅", "命名"), ("猫", "16:9", "a"))

    assert found.rows[0].fields["prompt"] == "猫"
    assert (
        "列名已自动对应：「画面描述」→「提示词」、「画幅」→「图片比例」、「命名」→「文件名」，请核对"
        in notes(found)
    )


def test_an_exact_header_wins_over_a_guess() -> None:
    found = read(("画面描述", "英文提示词", "提示词", "画幅", "图片比例"), ("x", "y", "猫", "1:1", "16:9"))

    assert (found.rows[0].fields["prompt"], found.rows[0].fields["aspect_ratio"]) == ("猫", "16:9")
    assert "自己的列会保留，点「列」显示：画面描述、英文提示词、画幅" in notes(found)


@pytest.mark.parametrize("header", ["提示词（无负面）", "提示词 -", "Prompt (no text)", "提示词（不含人物）"])
def test_a_header_with_a_possibly_opposite_meaning_is_reported(header: str) -> None:
    with pytest.raises(SpreadsheetError) as refusal:
        read((header, "图片比例"), ("猫", "16:9"))

    assert str(refusal.value) == (
        f"表头「{header}」看不出是提示词还是负面提示词，请改成「提示词」或「负面提示词」再导入"
    )


def test_beside_an_exact_prompt_a_doubtful_header_is_unused_and_noted() -> None:
    found = read(("提示词（不含人物）", "提示词"), ("x", "猫"))

    assert found.rows[0].fields["prompt"] == "猫"
    assert "自己的列会保留，点「列」显示：提示词（不含人物）" in notes(found)


def test_of_two_exact_headers_the_leftmost_is_used_and_noted() -> None:
    found = read(("提示词（必填）", "Prompt"), ("猫", "cat"))

    assert found.rows[0].fields["prompt"] == "猫"
    assert "「提示词」有不止一列，用的是最左边的一列" in notes(found)


@pytest.mark.parametrize("first", ["参考图", "参考图1"])
def test_numbered_reference_columns_are_joined_and_noted(first: str) -> None:
    header = ("提示词", first, "参考图 2", "参考图（3）")

    found = read(header, ("猫", "a", "b、c", "d"), ("狗", "", "e.png", ""), ("鱼", "", "", ""))

    assert [row.references for row in found.rows] == [("a", "b", "c", "d"), ("e.png",), ()]
    assert "参考图分在 3 列里，每一行的都放在一起用" in notes(found)
    assert found.problems == ()


def test_an_invalid_name_in_one_of_several_reference_columns_is_reported() -> None:
    rows = (
        ("提示词", "参考图1", "参考图2"),
        ("猫", "a", datetime.date(2026, 1, 2)),
        ("狗", "a,b,c", ",".join("defghijklmnopq")),
    )

    found = read(*rows)

    assert [(problem.row, problem.column) for problem in found.problems] == [
        (2, "参考示例图"),
        (3, "参考示例图"),
    ]


def test_two_reference_columns_that_are_not_numbered_are_not_joined() -> None:
    found = read(("提示词", "参考图", "示例图"), ("猫", "a", "b"))

    assert found.rows[0].references == ("a",)
    assert "「参考示例图」有不止一列，用的是最左边的一列" in notes(found)


def test_a_negative_column_before_the_prompt_stays_negative() -> None:
    found = read(("提示词（负面）", "提示词（正面）"), ("水印", "猫"))

    assert (found.rows[0].fields["prompt"], found.rows[0].fields["negative_prompt"]) == ("猫", "水印")


@pytest.mark.parametrize(
    "header", ["(" * 30_000, "提示词" * 10_000, "1." * 16_000, "-" * 32_000, "反" * 32_000]
)
def test_only_the_beginning_of_a_very_long_header_is_examined(header: str) -> None:
    assert meaning(header) == meaning(header[:200])
