"""File names that are valid on every file system."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Record, file_key
from app.images.filenames import (
    MAX_STEM_BYTES,
    archive_path,
    delivered_names,
    is_taken,
    requested_stem,
    safe_stem,
    stem_from_prompt,
)
from tests.sheets.test_results_export import record


@pytest.mark.parametrize(
    ("written", "stem"),
    [
        ("雪山 小屋", "雪山 小屋"),
        ("猫.png", "猫"),
        ("猫.PNG ", "猫"),
        ("猫.jpg.webp", "猫"),
        ("版本 v1.0", "版本 v1.0"),
        ("100%纯棉 #1", "100%纯棉 #1"),
        ("a/b\\c", "a_b_c"),
        ("几点？3:30", "几点？3_30"),
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\Windows\\win.ini", "C_Windows_win.ini"),
        ("..", ""),
        (".", ""),
        ("", ""),
        ("   ", ""),
        ("???", ""),
        (".png", ""),
        (".hidden", "hidden"),
        ("--version", "version"),
        ("尾巴. . .", "尾巴"),
        ("第一行\n第二行", "第一行 第二行"),
        ("a\x00b\x07c", "abc"),
        ("cod\u202egnp.exe", "codgnp.exe"),
        ("零\u200b宽\ufeff", "零宽"),
        ("lone\ud800", "lone"),
        ("cafe\u0301", "café"),
        ("CON", "_CON"),
        ("nul.png", "_nul"),
        ("Aux.txt", "_Aux.txt"),
        ("LPT¹", "_LPT¹"),
        ("COM1 .x", "_COM1 .x"),
        ("CONSOLE", "CONSOLE"),
        ("👨‍👩‍👧 家", "👨‍👩‍👧 家"),
    ],
)
def test_text_becomes_a_portable_file_name(written: str, stem: str) -> None:
    assert safe_stem(written) == stem


@given(st.text(max_size=300))
def test_any_text_gives_a_stable_safe_stem(written: str) -> None:
    stem = safe_stem(written)
    assert safe_stem(stem) == stem
    assert len(f"{stem}_10-99999.webp.part".encode()) <= 255
    assert not set(stem) & set('<>:"/\\|?*')
    assert not any(unicodedata.category(sign) in ("Cc", "Cs", "Cn", "Co") for sign in stem)
    assert stem == stem.strip()
    assert not stem.startswith((".", "-"))
    assert not stem.endswith(".")
    assert unicodedata.is_normalized("NFC", stem)


@given(st.text(alphabet="猫aé👨\u200d👩🏽🇨🇳e\u0301", min_size=90, max_size=200))
def test_any_safe_stem_can_be_created(tmp_path_factory: pytest.TempPathFactory, written: str) -> None:
    stem = safe_stem(written)
    if stem:
        (tmp_path_factory.getbasetemp() / f"{stem}_10-99999.webp.part").touch()


@pytest.mark.parametrize("written", ["." * 500_000, "a." * 25_000, ".png" * 12_000, " ." * 25_000])
def test_parsing_a_name_takes_linear_time(written: str) -> None:
    assert len(safe_stem(f"猫{written}").encode()) <= MAX_STEM_BYTES


@pytest.mark.parametrize("sign", ["猫", "👨‍👩‍👧‍👦", "🇨🇳", "👍🏽", "ท่", "é"])
def test_a_long_name_is_cut_between_grapheme_clusters(sign: str) -> None:
    stem = safe_stem(sign * 200)
    assert stem == sign * (len(stem) // len(sign))
    assert MAX_STEM_BYTES - len(sign.encode()) < len(stem.encode()) <= MAX_STEM_BYTES


@pytest.mark.parametrize(
    ("prompt", "stem"),
    [
        ("雪山下的小屋，水彩", "雪山下的小屋，水彩"),
        ("一只橘猫坐在窗台上看雨，窗外是江南水乡的黑瓦白墙，电影感", "一只橘猫坐在窗台上看雨"),
        ("A cat sitting on a windowsill in the rain", "A cat sitting on a"),
        ("没有停顿的" + "很长" * 20, "没有停顿的" + "很长" * 9 + "很"),
        ("???", "图片"),
        ("a/b: c", "a_b_ c"),
    ],
)
def test_a_prompt_gives_a_readable_name(prompt: str, stem: str) -> None:
    assert stem_from_prompt(prompt) == stem
    assert len(stem_from_prompt(prompt)) <= 24


def test_names_equal_on_windows_or_macos_have_the_same_key() -> None:
    assert file_key("Cat") == file_key("cAT")
    assert file_key("cafe\u0301") == file_key("CAFÉ")
    assert file_key("猫") != file_key("狗")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".jpeg", ".webp", ".gif"])
def test_a_stem_is_taken_under_any_extension(tmp_path: Path, ending: str) -> None:
    assert not is_taken(tmp_path, "猫")
    (tmp_path / f"猫{ending}").touch()
    assert is_taken(tmp_path, "猫")
    assert not is_taken(tmp_path, "猫-2")


def test_a_stem_is_free_in_a_missing_folder(tmp_path: Path) -> None:
    assert not is_taken(tmp_path / "output", "猫")


@pytest.mark.parametrize(
    ("requested", "path"),
    [
        ("", "x.png"),
        ("猫", "猫.png"),
        ("甲/猫", "甲/猫.png"),
        ("甲/乙/猫.jpg", "甲/乙/猫.png"),
        ("甲/", "甲/x.png"),
        ("/etc/passwd", "etc/passwd.png"),
        ("../../a/..", "a/x.png"),
        ("con/nul./猫", "_con/_nul/猫.png"),
        ("a\\b/猫", "a_b/猫.png"),
        ("C:/x", "C/x.png"),
    ],
)
def test_the_path_in_a_zip_has_the_folders_that_were_asked_for(requested: str, path: str) -> None:
    (name,) = delivered_names([picture(1, requested_filename=requested, filename="x.png")])

    assert archive_path(requested, name) == path


@given(st.text(max_size=300), st.sampled_from([".png", "-2.jpg", "_10-99999.webp"]))
def test_a_path_in_a_zip_is_valid_everywhere(requested: str, ending: str) -> None:
    path = archive_path(requested, (requested_stem(requested) or "图片") + ending)

    assert len(path.encode("utf-16-le")) // 2 < 250 + MAX_STEM_BYTES * ("/" not in path)
    *folders, name = path.split("/")
    assert name
    assert all(part == safe_stem(part) for part in folders)
    assert not set(path) & set('\\:*?"<>|')


def picture(number: int, **fields: Any) -> Record:
    """A made picture of row 1 of a batch; its file has a counter."""
    named: dict[str, Any] = {
        "filename": f"猫-{number}.png",
        "requested_filename": "猫",
        "batch_id": "b",
        "row_number": 1,
    }
    return record(number, **named | fields)


@pytest.mark.parametrize(
    ("pictures", "names"),
    [
        ([picture(1)], ["猫.png"]),
        ([picture(1), picture(2)], ["猫-1.png", "猫.png"]),
        ([picture(1, filename="猫.png"), picture(2)], ["猫-2.png", "猫.png"]),
        ([picture(1, pick="keep"), picture(2)], ["猫.png", "猫-2.png"]),
        ([picture(1), picture(2, pick="reject")], ["猫.png", "猫-2.png"]),
        ([picture(1), picture(2, filename="")], ["猫.png", ""]),
        ([picture(1, row_number=4), picture(2, row_number=5)], ["猫.png", "猫.png"]),
        ([picture(1, filename="a-2.webp", requested_filename="甲/猫.jpg")], ["猫.webp"]),
        ([picture(1, requested_filename="")], ["猫-1.png"]),
        ([picture(1, num_images=2), picture(2, num_images=2, pick="keep")], ["猫-1.png", "猫.png"]),
        ([picture(1, num_images=2), picture(2, num_images=2, filename="")], ["猫.png", ""]),
        ([picture(1, pick="keep"), picture(2, pick="keep")], ["猫_1.png", "猫_2.png"]),
    ],
)
def test_a_picture_is_delivered_under_the_name_of_its_row(pictures: list[Record], names: list[str]) -> None:
    assert delivered_names(pictures) == names


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        ([1, 2], ["猫_1.png", "猫_2.png"]),
        ([2], ["猫.png"]),
        ([1, 2, 3], ["猫-1.png", "猫_2.png", "猫_1.png"]),
        ([2, 2], ["猫_1.png", "猫_2.png"]),
    ],
)
def test_several_pictures_that_leave_together_are_numbered(numbers: list[int], names: list[str]) -> None:
    pictures = [picture(i, num_images=2, picture_number=number) for i, number in enumerate(numbers, 1)]

    assert delivered_names(pictures) == names
