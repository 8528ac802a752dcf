"""The fields of a row: the one list that validation, API, spreadsheets, checks and pages read.

A new field stands here, in ``ImageRequest`` (requests.py) and in the providers that send it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MAX_PICTURES_A_ROW = 10
MAX_REFERENCES = 16  # of any model; what one model takes is its ``ModelSpec.max_references``
MAX_PROMPT_LENGTH = 10_000
MAX_FILENAME_LENGTH = 200
MAX_REFERENCE_LENGTH = 4_096
MAX_SEED = 4_294_967_293
MAX_STEPS = 150
MAX_MODEL_LENGTH = 100

# The values of the options that are words -> what people write for them, separated by spaces.
BACKGROUNDS = {"transparent": "透明 透明背景", "opaque": "不透明 不透明背景"}
OUTPUT_FORMATS = {"png": ".png", "jpeg": "jpg .jpg .jpeg", "webp": ".webp"}
QUALITIES = {
    "low": "低 低质量",
    "medium": "中 中等 中等质量",
    "high": "高 高质量",
    "xhigh": "很高 很高质量",
    "max": "最高 最高质量",
}
UNSET_WORDS = ("", "auto", "自动", "默认")

# What people call the columns of the fields, by their name in a workbook.
HEADERS: Mapping[str, str] = {
    "prompt": "提示词 正面提示词 正向提示词 图片提示词 prompt prompts positiveprompt",
    "negative_prompt": "负面提示词 反向提示词 负向提示词 反面提示词 negativeprompt negativeprompts negative",
    "aspect_ratio": "图片比例 比例 画面比例 宽高比 长宽比 aspectratio aspect ratio",
    "resolution": "分辨率 图片分辨率 清晰度 resolution",
    "num_images": "生成数量 数量 张数 生成张数 图片数量 numimages count imagecount quantity number images"
    " copies",
    "filename": "文件名 文件名称 保存文件名 filename file outputname outputfilename",
    "references": "参考示例图 参考图 示例图文件名 示例图 参考图片 参考图文件名 referenceimages referenceimage"
    " references reference sampleimages sampleimage samples",
    "seed": "种子 随机种子 seed",
    "steps": "采样步数 步数 steps samplingsteps",
    "model": "模型 图片模型 图像模型 生图模型 生成模型 绘图模型 模型名 模型名称 model imagemodel modelname",
    "reference_strength": "参考强度 参考图强度 垫图强度 referencestrength",
    "background": "背景 图片背景 background",
    "output_format": "格式 图片格式 输出格式 文件格式 保存格式 format outputformat imageformat fileformat",
    "quality": "质量 图片质量 生成质量 quality imagequality",
}
# Likely synonyms: used, with a note, only when no column has one of the names above.
GUESSED_HEADERS: Mapping[str, str] = {
    "prompt": "提示语 正面词 正向词 画面提示词 文案提示词 生图提示词 绘画提示词 绘图提示词 出图提示词"
    " 文生图提示词 提示词内容 提示词文本 画面描述 图片描述 图像描述 画面内容 描述词 imageprompt prompttext"
    " textprompt imagedescription",
    "negative_prompt": "负面 负向 反向",
    "aspect_ratio": "尺寸比例 画幅 画幅比例 图像比例 宽高比例 长宽比例 纵横比 横纵比",
    "resolution": "画质 图像分辨率 imageresolution",
    "num_images": "图片张数 生图数量 生图张数 出图数量 出图张数 生成图片数量 qty numberofimages",
    "filename": "命名 文件命名 图片命名 图片名 图片名称 图片文件名 保存名 保存名称 输出文件名 imagename",
    "references": "垫图 垫图文件名 参考图像 参考图名 参考图名称 示例图片 ref refs refimage refimages",
    "seed": "随机数种子",
    "steps": "采样步 迭代步数 推理步数 inferencesteps",
    "model": "用哪个模型 用什么模型 使用模型 所用模型 选用模型 指定模型 ai模型 aimodel",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowField:
    """A field of a row.

    label         in sentences; ``header`` is that of its column, ``sheet`` its name in a workbook, if others
    kind          how it is read, see ``validation``
    limit         of a text or a model, in characters; ``low`` and ``high`` of a number, ``default`` of none
    words         of a word: value -> what else stands for it; ``shown``: value -> the word that is shown
    is_option     only some models take it (``ModelSpec.options``); stored in ``options``
    is_content    a row that has none of these is empty
    has_variables its text may contain variables
    is_changeable of a record that is made again
    """

    name: str
    label: str
    kind: Literal["text", "ratio", "resolution", "images", "number", "word", "model"]
    header: str = ""
    sheet: str = ""
    limit: int = 0
    low: int = 0
    high: int = 0
    default: int | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    is_option: bool = False
    is_content: bool = False
    has_variables: bool = False
    is_changeable: bool = False

    @property
    def is_extra(self) -> bool:
        """Whether only some tables have a column for it."""
        return self.is_option or self.kind == "model"

    @property
    def column(self) -> str:
        """The label of its column."""
        return self.header or self.label

    @property
    def sheet_name(self) -> str:
        """Its name in a workbook."""
        return self.sheet or self.name


_ALL = (
    RowField(
        name="prompt",
        label="提示词",
        kind="text",
        limit=MAX_PROMPT_LENGTH,
        is_content=True,
        has_variables=True,
        is_changeable=True,
    ),
    RowField(
        name="negative_prompt",
        label="负面提示词",
        kind="text",
        limit=MAX_PROMPT_LENGTH,
        is_content=True,
        has_variables=True,
        is_changeable=True,
    ),
    RowField(name="aspect_ratio", label="比例", kind="ratio", header="图片比例", is_changeable=True),
    RowField(name="resolution", label="分辨率", kind="resolution", is_changeable=True),
    RowField(name="num_images", label="生成数量", kind="number", low=1, high=MAX_PICTURES_A_ROW, default=1),
    RowField(
        name="filename",
        label="文件名",
        kind="text",
        limit=MAX_FILENAME_LENGTH,
        is_content=True,
        has_variables=True,
    ),
    RowField(
        name="sample_images",
        label="参考图",
        kind="images",
        header="参考示例图",
        sheet="references",
        is_content=True,
        is_changeable=True,
    ),
    RowField(name="seed", label="种子", kind="number", high=MAX_SEED),
    RowField(name="steps", label="步数", kind="number", header="采样步数", low=1, high=MAX_STEPS),
    RowField(name="model", label="模型", kind="model", limit=MAX_MODEL_LENGTH),
    RowField(name="reference_strength", label="参考强度", kind="number", low=1, high=100, is_option=True),
    RowField(
        name="background",
        label="背景",
        kind="word",
        words=BACKGROUNDS,
        shown={"transparent": "透明", "opaque": "不透明"},
        is_option=True,
    ),
    RowField(
        name="output_format",
        label="格式",
        kind="word",
        words=OUTPUT_FORMATS,
        shown={"png": "PNG", "jpeg": "JPEG", "webp": "WebP"},
        is_option=True,
    ),
    RowField(
        name="quality",
        label="质量",
        kind="word",
        words=QUALITIES,
        shown={
            "low": "低质量",
            "medium": "中等质量",
            "high": "高质量",
            "xhigh": "很高质量",
            "max": "最高质量",
        },
        is_option=True,
    ),
)
ROW_FIELDS: Mapping[str, RowField] = {each.name: each for each in _ALL}
OPTIONS = tuple(each.name for each in _ALL if each.is_option)
# A row in which all of these are empty is skipped: not imported, validated, counted or submitted.
CONTENT_FIELDS = tuple(each.name for each in _ALL if each.is_content)
TEXT_TEMPLATES = tuple(each.name for each in _ALL if each.has_variables)
# The fields that can be changed when a record is made again, and what they are called in the log.
CHANGEABLE: Mapping[str, str] = {each.name: each.label for each in _ALL if each.is_changeable}
# The words for the values of options, in workbooks and on pages.
OPTION_WORDS: Mapping[str, Mapping[str, str]] = {each.name: each.shown for each in _ALL if each.shown}
# By their names in a workbook: the width of a column, how to fill it in, and an example; arranged so that the
# import does not read the instructions as a table of prompts.
GUIDES: Mapping[str, tuple[float, str, str]] = {
    "prompt": (56, "必填。要画什么，一行一条；可以很长，可以换行。", "一只橘猫趴在窗台上晒太阳，水彩风格"),
    "negative_prompt": (28, "选填。不想出现的东西；模型没有这一项时，会用一句话写进提示词。", "模糊，水印"),
    "aspect_ratio": (11, "从下拉里选，不填按 1:1。可选：{ratios}。", "16:9"),
    "resolution": (
        10,
        "从下拉里选，不填按 2K。可选：{resolutions}；有的模型也可以写 800x600 这样的宽高。",
        "2K",
    ),
    "num_images": (11, "这一行要几张，1–{max_pictures}，不填按 1 张。每一张都计费。", "1"),
    "filename": (22, "选填。保存的文件名，不写扩展名；重名时自动加序号，不会覆盖。", "橘猫"),
    "references": (
        26,
        "选填。「示例图」页里图片的名字，最多 {max_references} 个，用逗号、顿号、分号或换行隔开。",
        "构图.png；配色.jpg",
    ),
    "seed": (13, "选填，整数。同一个种子画出来相近，一行多张时每张加 1；模型不接受种子时不会用到。", "42"),
    "steps": (11, "选填，整数。模型不接受步数时不会用到。", "20"),
    "model": (26, "选填。这一行用哪个模型，不填用页面上选的。可选：{choices}。", "{first}"),
    "reference_strength": (11, "选填，1–100 的整数。越大越像参考图，没有参考图时不会用到。", "60"),
    "background": (11, "选填。可选：{choices}；不填由模型决定。", "{first}"),
    "output_format": (10, "选填。图片的格式，可选：{choices}；不填由模型决定。", "{first}"),
    "quality": (10, "选填。可选：{choices}；不填由模型决定。", "{first}"),
}
