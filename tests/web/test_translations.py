"""The catalogue is complete: every Chinese text goes through it and has its English."""

import pytest
from babel.messages.catalog import Message as Entry

from app.errors import PLACEHOLDER, Message, SettingError, message
from app.web.i18n import english
from tools.wording import HAN, Sentence, all_sentences, placeholders_in, read_catalogue


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    return all_sentences()


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return [entry for entry in read_catalogue() if entry.id]


def test_templates_and_scripts_take_every_text_from_the_catalogue(sentences: list[Sentence]) -> None:
    left_behind = [f for f in sentences if not f.uses_gettext and not f.file.endswith(".py")]
    assert left_behind == []


def test_no_chinese_sentence_is_an_f_string(sentences: list[Sentence]) -> None:
    """A sentence with values is a message, whose id is looked up."""
    assert [found for found in sentences if found.is_formatted] == []


def test_the_catalogue_has_exactly_the_texts_in_use(sentences: list[Sentence], entries: list[Entry]) -> None:
    """``python -m tools.wording`` brings it up to date."""
    assert {str(entry.id) for entry in entries} == {one.text for one in sentences if not one.is_formatted}


def test_every_message_has_an_english_translation(entries: list[Entry]) -> None:
    assert [str(entry.id) for entry in entries if not is_translated(entry)] == []


def is_translated(entry: Entry) -> bool:
    chinese, translation = str(entry.id), str(entry.string)
    return (
        bool(translation)
        and not HAN.search(translation.replace("“提示词”", ""))
        and placeholders_in(translation) == placeholders_in(chinese)
        and not any(one or many for _, one, many in PLACEHOLDER.findall(chinese))
    )


@pytest.mark.parametrize(
    ("sentence", "translation"),
    [
        (message("批次完成"), "Batch finished"),
        (
            message(
                "{place}：失败，{reason}",
                place=message("第 {row} 行 · 第 {picture} 张", row=3, picture=2),
                reason=message("提示词没有通过审核，请修改提示词"),
            ),
            "Row 3, image 2 failed: The prompt was blocked by moderation. Change the prompt",
        ),
        (
            message(
                "不支持的图片比例「{value}」，可选：{choices}，或 800x600 这样的宽高",
                value="7:5",
                choices=("1:1", "2:3"),
            ),
            "Aspect ratio “7:5” is not supported; available: 1:1, 2:3, or a width and height such as 800x600",
        ),
        (
            SettingError(
                "OSS_REGION", "应为地域，例如 cn-hangzhou，现在是「{region}」", region="杭州"
            ).message,
            "OSS_REGION: must be a region such as cn-hangzhou; found “杭州”",
        ),
        (message("一只猫（橘色）"), "一只猫（橘色）"),
    ],
)
def test_messages_within_messages_are_translated(sentence: Message, translation: str) -> None:
    assert sentence.render(lambda text: english().get(text, text)) == translation
