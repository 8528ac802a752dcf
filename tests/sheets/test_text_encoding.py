"""Delimited texts in misleading encodings: read correctly or refused."""

import pytest

from app.errors import SpreadsheetError
from app.sheets import read_workbook
from tests.sheets import tables

SIMPLIFIED = [
    "小猫",
    "一只橘猫",
    "饕餮",
    "魑魅魍魉，琥珀与玛瑙",
    "T恤",
    "white T恤, studio light",
    "A字裙",
    "iPhone和iPad",
    "cat和dog",
    "25℃",
    "37㎡的房间",
    "“春”——夏……秋",
    "咖啡café",
    "①②③",
    "囧",
    "王堃喆",
    "张珺",
    "朱镕基",
    "犇犇犇",
    "龘龘，𠮷野家",
    "穿着汉服的少女站在江南水乡的小桥上，水彩风格，柔和的光线，细节丰富，8k",
    "赛博朋克城市夜景，霓虹灯，雨后的街道倒影，cinematic lighting，电影感",
    "落霞与孤鹜齐飞，秋水共长天一色；渔舟唱晚，响穷彭蠡之滨，雁阵惊寒，声断衡阳之浦",
    "产品图：保温杯 500ml（白色），纯色背景，棚拍，高清",
    "可爱的柴犬😀戴着围巾",
]
TRADITIONAL = [
    "橘貓",
    "一隻橘貓坐在窗台上曬太陽",
    "T卹",
    "V領毛衣",
    "穿著漢服的少女站在江南水鄉的小橋上，水彩風格，柔和的光線",
    "賽博龐克城市夜景，霓虹燈，雨後的街道倒影",
    "產品圖：保溫杯，純色背景，攝影棚，高畫質",
    "龍鳳呈祥，鶴舞松間，麒麟獻瑞",
]
BIG5 = [
    "一隻橘貓坐在窗台上曬太陽，水彩風格",
    "穿著漢服的少女站在江南水鄉的小橋上",
    "賽博龐克城市夜景，霓虹燈，雨後的街道倒影",
    "產品圖：保溫杯，純色背景，攝影棚，高畫質",
    "可愛的小狗，在草地上奔跑",
]
WESTERN = [
    "a café terrace, watercolour",
    "un élément décoratif, style naïf",
    "élan vital",
    "cafés",
    "ça va",
    "un château près de la forêt, lumière dorée",
    "ein schöner Garten in München",
    "Grüße",
    "Schlösser und Brücken",
    "el niño pequeño, montaña",
    "São Paulo, ação",
    "smörgåsbord",
]
OTHERS = ["кот на окне", "γάτα, 5 µm", "قطة", "× é ªº", "кот — café"]
JAPANESE = ["窓辺で眠るオレンジ色の猫、水彩画風", "夜の街を歩く少女、ネオンの光"]


def table(rows: list[str], header: str = "Prompt,File name") -> str:
    """Delimited text of these prompts under an English header, so that only they reveal the encoding."""
    return header + "\r\n" + "".join(f'"{row}",a\r\n' for row in rows)


def prompts(content: bytes) -> list[str]:
    """The prompts of a file of text."""
    return tables.prompts(read_workbook(content, "a.csv"))


@pytest.mark.parametrize("prompt", SIMPLIFIED + TRADITIONAL)
@pytest.mark.parametrize("header", ["Prompt,File name", "提示词,文件名"])
def test_short_chinese_text_in_gb18030_is_read(prompt: str, header: str) -> None:
    assert prompts(table([prompt], header).encode("gb18030")) == [prompt]


@pytest.mark.parametrize("rows", [SIMPLIFIED, TRADITIONAL, ["cat"] * 40 + ["小猫"], [*WESTERN, *SIMPLIFIED]])
def test_a_whole_table_in_gb18030_is_read(rows: list[str]) -> None:
    assert prompts(table(rows).encode("gb18030")) == rows


@pytest.mark.parametrize(
    ("prompt", "encoding"),
    [(prompt, encoding) for prompt in WESTERN for encoding in ("cp1252", "mac_roman")]
    + [(prompt, "big5") for prompt in BIG5]
    + [(prompt, "shift_jis") for prompt in JAPANESE]
    + [("橘貓和白狗在草地上奔跑", "big5hkscs"), ("кот на окне", "cp1251"), ("猫😀", "utf-16-le")],
)
@pytest.mark.parametrize("more", [[], ["a cat on a window sill"] * 30])
def test_text_in_another_encoding_is_refused_not_garbled(prompt: str, encoding: str, more: list[str]) -> None:
    with pytest.raises(SpreadsheetError, match="编码，请在 Excel 里另存为") as refusal:
        read_workbook(table([prompt, *more]).encode(encoding), "a.csv")

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("rows", [WESTERN, BIG5, JAPANESE, SIMPLIFIED, OTHERS])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_language_is_read_in_utf_8(rows: list[str], encoding: str) -> None:
    assert prompts(table(rows).encode(encoding)) == rows


def test_a_big5_table_is_refused_for_its_encoding() -> None:
    with pytest.raises(SpreadsheetError, match="编码"):
        read_workbook(table(BIG5, "提示詞,檔案名稱").encode("big5"), "a.csv")


def test_truncated_utf_8_is_refused() -> None:
    whole = table(SIMPLIFIED, "提示词,文件名").encode()

    for length in range(len(whole) - 40, len(whole)):
        try:
            whole[:length].decode()
        except UnicodeDecodeError:
            with pytest.raises(SpreadsheetError, match="编码"):
                read_workbook(whole[:length], "a.csv")


@pytest.mark.parametrize("prompt", [prompt for prompt in SIMPLIFIED if not prompt.isascii()])
def test_utf_8_with_a_missing_byte_is_refused(prompt: str) -> None:
    whole = table([prompt, "上下文", "触发器", "名称"]).encode()

    for place in (place for place, byte in enumerate(whole) if byte > 0x7F):
        with pytest.raises(SpreadsheetError, match="编码"):
            read_workbook(whole[:place] + whole[place + 1 :], "a.csv")
