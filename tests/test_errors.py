"""Messages: an id, values, and the sentence they make in a language."""

import pytest

from app.errors import BucketError, Message, SettingError, SpreadsheetError, message

ENGLISH = {
    "第 {row} 行：{problem}": "Row {row}: {problem}",
    "没有「{name}」，可选：{choices}": "There is no “{name}”; choose from {choices}",
    "共 {n} 张": "{n} {n:picture|pictures} in all",
    "猫": "cat",
    "、": ", ",
}
NESTED = message(
    "第 {row} 行：{problem}",
    row=3,
    problem=message("没有「{name}」，可选：{choices}", name="{row}", choices=(message("猫"), "2K")),
)


def in_english(sentence: Message) -> str:
    return sentence.render(lambda text: ENGLISH.get(text, text))


def test_a_message_is_its_chinese_sentence() -> None:
    assert str(NESTED) == "第 3 行：没有「{row}」，可选：猫、2K"


def test_a_translation_takes_the_same_values_and_translates_the_messages_among_them() -> None:
    assert in_english(NESTED) == "Row 3: There is no “{row}”; choose from cat, 2K"
    assert in_english(message("第 {row} 行：{problem}", row=3, problem="猫")) == "Row 3: 猫"


@pytest.mark.parametrize(("n", "english"), [(1, "1 picture in all"), (12, "12 pictures in all")])
def test_a_translation_may_select_a_plural(n: int, english: str) -> None:
    assert in_english(message("共 {n} 张", n=n)) == english


def test_what_is_unknown_stays_as_it_is() -> None:
    assert in_english(message("狗 {row}")) == "狗 {row}"
    assert str(message("a lone surrogate \ud83d")) == "a lone surrogate ?"


def test_an_empty_message_is_false() -> None:
    assert not message("")
    assert message("猫")


@pytest.mark.parametrize(
    "sentence", [NESTED, message("猫"), message("{id}{values}", id="x", values=(1.5, ()))]
)
def test_a_message_is_stored_as_json(sentence: Message) -> None:
    assert Message.from_json(sentence.to_json()) == sentence


def test_an_error_takes_its_sentence_with_values_or_a_message() -> None:
    assert BucketError("共 {n} 张", n=1, transient=True).message == message("共 {n} 张", n=1)
    assert SpreadsheetError(message("第 {row} 行", row=3), row=4).message == message("第 {row} 行", row=3)
    assert str(SettingError("PORT", "应为 {n} 以上", n=1)) == "PORT：应为 1 以上"
