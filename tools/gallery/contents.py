"""What the gallery shows: a made-up shop for tea ware, its workbook, and a service that draws pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from openpyxl.styles import Alignment
from openpyxl.worksheet.worksheet import Worksheet

from app.domain import ImageRequest, Size
from app.images.demo_picture import draw
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.service import Reply, Submission
from tools.workbooks.written import by_openpyxl

BATCH = "十一月茶具上新"
_WARES = (
    *("白瓷盖碗", "紫砂西施壶", "天青汝窑杯", "油滴建盏", "粗陶茶仓", "竹编茶则"),
    *("锡制茶罐", "柴烧公道杯", "青花茶海", "铸铁提梁壶", "影青品茗杯", "老岩泥壶承"),
)
NEW_VIEWS = (
    "摆在临窗的木案上，窗外远山薄雾，清晨侧光",
    "放在溪边青石上，身后是层叠的茶山，落日暖光",
    "立在雪后的石台上，远处松林和雪山，冷色静物",
)
EARLIER_VIEWS = (
    "秋日茶园，山道边的石桌，逆光",
    "湖心亭里，远处是烟雨中的山",
    "竹林茶席，晨雾，柔光",
)
_RATIOS = ("1:1", "3:4", "16:9", "1:1", "3:2", "4:3")
REFUSED = "某明星签名款"
SINGLE_PROMPTS = (
    "武夷山的清晨，薄雾漫过层层茶园",
    "雪山脚下的茶亭，窗里透出暖光",
    "西湖边的龙井村，春雨刚停，远山如黛",
    "白瓷茶杯产品图，浅灰背景，柔和侧光",
    "黄山云海，松下一席茶，水墨",
    "大漠落日，驼队驮着茶砖，电影镜头",
)
SINGLE_RATIOS = ("16:9", "3:2", "1:1", "4:3", "16:9", "3:2")
ENGLISH_PROMPTS = (
    "A tea house in snowy mountains at dawn, thin mist through the pines",
    "Terraced tea fields after rain, soft morning light",
    "Product shot of a white porcelain teacup, soft side light",
    "A clay teapot on a stone by the stream, sunset behind the hills",
    "An avenue of ginkgo trees in autumn, leaves in the wind",
    "A caravan carrying tea bricks through the desert, film still",
)
EARLIER_BATCHES = (  # name, days ago, number of pictures
    ("中秋礼盒", 23, 14),
    ("茶山四季海报", 16, 22),
    ("紫砂壶详情页", 9, 18),
    ("双十一主图", 3, 30),
)


def wares(number: int, views: Sequence[str] = NEW_VIEWS) -> Iterator[tuple[str, str, str]]:
    """(ware, prompt, ratio) of this many rows."""
    for index in range(number):
        ware, view = _WARES[index % len(_WARES)], views[index // len(_WARES) % len(views)]
        yield ware, f"{ware}，{view}，产品摄影", _RATIOS[index % len(_RATIOS)]


def messy_workbook(folder: Path) -> Path:
    """36 rows as people write them: a title, a sum, odd ratios and numbers, empty prompts, a lost picture."""
    rows: list[list[object]] = [
        ["秋山茶器 · 十一月上新主图"],
        [],
        ["SKU", "品名", "提示词", "图片比例", "分辨率", "生成数量", "参考示例图", "文件名"],
    ]
    for index, (ware, prompt, ratio) in enumerate(wares(36)):
        text = "" if index in (16, 29) else f"{REFUSED}{prompt}" if index in (8, 31) else prompt
        odd_ratio = {"16:9": "16：9", "3:2": "7:5"}.get(ratio, ratio)
        logo = "秋山标志.png" if index % 7 == 3 else ""
        number = "各1张" if index % 9 == 1 else 1
        rows.append([f"QS-{1101 + index}", ware, text, odd_ratio, "1k", number, logo, "{SKU}-主图"])
    rows.append(["合计", None, None, None, None, 36])
    file = folder / f"{BATCH}.xlsx"
    file.write_bytes(by_openpyxl(rows, title="上新", change=_lay_out))
    return file


def _lay_out(sheet: Worksheet) -> None:
    for letter, width in zip("ABCDEFGH", (9, 12, 40, 9, 7, 9, 13, 11), strict=True):
        sheet.column_dimensions[letter].width = width
    for row in range(4, sheet.max_row):
        sheet.cell(row, 3).alignment = Alignment(wrap_text=True, vertical="center")


class DrawnJimeng(FakeJimeng):
    """The fake service with pictures by the demo model. It refuses prompts with ``REFUSED``."""

    def image_of(self, order: Submission) -> bytes:
        """A landscape that follows the prompt."""
        request = ImageRequest(prompt=order.body["prompt"])
        return draw(request, Size(width=order.width, height=order.height), order.number)

    def _submit(self, body: dict[str, object]) -> Reply:
        return super()._submit({**body, "prompt": "违禁"} if REFUSED in str(body.get("prompt")) else body)
