"""The catalogue is whole: every Chinese word of the product goes through it and has its English."""

import pytest
from babel.messages.catalog import Message as Entry

from app.errors import Message
from app.web.i18n.catalogue import GAP, Catalogue, _translated
from app.web.i18n.language import CATALOGUE
from tests.wording import HAN, all_sentences, gaps_of, read_catalogue

_ENGLISH = Catalogue(CATALOGUE)
_SENTENCES = all_sentences()
_ENTRIES = [entry for entry in read_catalogue() if entry.id]
_BORN_IN_ROOMS = [e for e in _ENTRIES if any(place.endswith(".py") for place, _ in e.locations)]


def test_templates_and_scripts_take_every_text_from_the_catalogue() -> None:
    left_behind = [f for f in _SENTENCES if not f.is_said and not f.file.endswith(".py")]
    assert left_behind == []


def test_the_catalogue_holds_exactly_the_texts_in_use() -> None:
    """``python -m tests.wording`` brings it up to date."""
    said: dict[str, set[str]] = {}
    for found in _SENTENCES:
        said.setdefault(found.text, set()).add(found.file)
    assert {str(entry.id): {place for place, _ in entry.locations} for entry in _ENTRIES} == said


@pytest.mark.parametrize("entry", _ENTRIES, ids=lambda entry: str(entry.id)[:40])
def test_every_message_has_an_english_translation(entry: Entry) -> None:
    chinese, english = str(entry.id), str(entry.string)
    assert english
    assert not HAN.search(english.replace("“提示词”", ""))
    assert gaps_of(english) == gaps_of(chinese)
    assert [manner for _, manner in GAP.findall(chinese) if manner] == []


@pytest.mark.parametrize("entry", _BORN_IN_ROOMS, ids=lambda entry: str(entry.id)[:40])
def test_a_formatted_sentence_is_translated(entry: Entry) -> None:
    values = {name: str(number + 2) for number, name in enumerate(sorted(gaps_of(str(entry.id))))}
    sentence = str(Message(str(entry.id), values))
    told = _ENGLISH.told(sentence)
    assert told == _translated(str(entry.string), values, _ENGLISH.told)
    assert not HAN.search(told.replace("“提示词”", ""))


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        (
            "第 3 行 · 第 2 张：失败，提示词没有通过审核，请修改提示词",
            "Row 3, image 2 failed: The prompt did not pass moderation; change it",
        ),
        ("第 12 行：已保存 一只猫.png（2048×2048）", "Row 12 saved as 一只猫.png (2048×2048)"),
        ("批次完成", "Batch finished"),
        (
            "预算 ¥5 只剩 ¥0.16，不够再做一张。把 .env 里的 BUDGET 调高并重新启动，再按「继续」",
            "Only ¥0.16 of the ¥5 budget is left, not enough for another image. "
            "Raise BUDGET in .env and restart, then press Resume",
        ),
        (
            "连不上即梦（连接被拒绝），请检查网络和服务地址",
            "Cannot reach Jimeng (the connection was refused); check the network and the service's address",
        ),
        (
            "不支持的图片比例「5:4」，可选：1:1、2:3",
            "Aspect ratio “5:4” is not supported; available: 1:1, 2:3",
        ),
        ("文件名应为文字", "File name must be text"),
        (
            "OSS_REGION：应为地域，例如 cn-hangzhou，现在是「杭州」",
            "OSS_REGION: must be a region such as cn-hangzhou; found “杭州”",
        ),
    ],
)
def test_sentences_within_sentences_are_translated(chinese: str, english: str) -> None:
    assert _ENGLISH.told(chinese) == english


@pytest.mark.parametrize("words", ["一只猫（橘色）", "名字：小明", "成功、失败与其他"])
def test_user_text_is_not_translated(words: str) -> None:
    assert _ENGLISH.told(words) == words


def test_singular_and_plural_are_translated() -> None:
    assert str(Message("{n} {n:image|images}", {"n": 1})) == "1 image"
    assert str(Message("{n} {n:image|images}", {"n": 12})) == "12 images"
