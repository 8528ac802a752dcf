"""File names that are valid on every file system."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import file_key
from app.images.filenames import MAX_STEM_BYTES, archive_name, is_taken, safe_stem, stem_from_prompt


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
    ("requested", "filename", "path"),
    [
        ("", "猫.png", "猫.png"),
        ("猫", "猫-2.png", "猫-2.png"),
        ("甲/猫", "甲_猫.png", "甲/猫.png"),
        ("甲/猫", "甲_猫-2_3.webp", "甲/猫-2_3.webp"),
        ("甲/乙/猫.jpg", "甲_乙_猫.png", "甲/乙/猫.png"),
        ("甲/", "甲.png", "甲/甲.png"),
        ("/etc/passwd", "etc_passwd.png", "etc/passwd.png"),
        ("../../a/..", "a.png", "a/a.png"),
        ("con/nul./猫", "con_nul_猫.png", "_con/_nul/猫.png"),
        ("a\\b/猫", "a_b_猫.png", "a_b/猫.png"),
        ("C:/x", "C_x.png", "C/x.png"),
        ("甲/另一个名字", "随便.png", "甲/随便.png"),
    ],
)
def test_the_path_in_a_zip_has_the_folders_that_were_asked_for(
    requested: str, filename: str, path: str
) -> None:
    assert archive_name(requested, filename) == path


@given(st.text(max_size=300), st.sampled_from([".png", "-2.jpg", "_10-99999.webp"]))
def test_a_path_in_a_zip_is_valid_everywhere(requested: str, ending: str) -> None:
    path = archive_name(requested, (safe_stem(requested) or "图片") + ending)

    assert len(path.encode("utf-16-le")) // 2 < 250 + MAX_STEM_BYTES * ("/" not in path)
    *folders, name = path.split("/")
    assert name
    assert all(part == safe_stem(part) for part in folders)
    assert not set(path) & set('\\:*?"<>|')
