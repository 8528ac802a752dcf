"""The recipes that come with the program, in two languages: two for goods, one for portraits; read-only."""

from collections.abc import Mapping
from typing import Any

from app.domain.recipes import Recipe, read_recipe

_SAME = "和参考图里完全一样的产品，形状、颜色、材质和上面的字都不变"
_FACE = "面容和参考图完全一致"
_SAME_THING = "exactly the product of the reference image, with its shape, colours, materials and lettering"
_SAME_FACE = "the face exactly as in the reference image"
_GOODS, _PHOTO = "Product photo", "Photo"


def _role(role: str, prompt: str, ratio: str = "1:1", column: str = "产品图") -> dict[str, Any]:
    size = {"aspect_ratio": ratio, "resolution": "2K"}
    return {"role": role, "prompt": prompt, **size, "sample_images": [{"column": column}]}


_CHINESE: Mapping[str, list[dict[str, Any]]] = {
    "电商五张": [
        _role("主图", f"电商主图：{_SAME}，居中，占画面八成，浅灰渐变背景，柔和的棚拍光，干净的投影"),
        _role("白底", f"白底图：{_SAME}，纯白背景，正面，没有文字和道具，只有很浅的接触阴影"),
        _role("场景", f"生活场景：{_SAME}，放在它真正会被用到的地方，自然光，景深浅", "3:4"),
        _role("细节", f"细节特写：{_SAME}，微距，看清材质和做工", "3:4"),
        _role("卖点", f"卖点图：{_SAME}，靠画面一侧，另一侧留出干净的空白，以后排文字", "3:4"),
    ],
    "电商多角度": [
        _role("正面", f"白底图：{_SAME}，正面", column="产品图1"),
        _role("背面", f"白底图：{_SAME}，背面", column="产品图2"),
        _role("特写", f"细节特写：{_SAME}，微距", "3:4", "产品图3"),
        _role("氛围", f"氛围图：{_SAME}，暖色的家居环境，傍晚的光", "3:4", "产品图1"),
    ],
    "人像四张": [
        _role("证件", f"同一个人的半身像，{_FACE}，纯色浅蓝背景，正面，光线均匀", "3:4", "照片"),
        _role("职业", f"同一个人的职业形象照，{_FACE}，深灰背景，伦勃朗光，西装", "3:4", "照片"),
        _role("外景", f"同一个人在公园里，{_FACE}，傍晚逆光，背景虚化", "2:3", "照片"),
        _role("黑白", f"同一个人的黑白特写，{_FACE}，侧光，胶片颗粒", "1:1", "照片"),
    ],
}
_ENGLISH: Mapping[str, list[dict[str, Any]]] = {
    "Shop set of five": [
        _role(
            "Main",
            f"Main shop image: {_SAME_THING}, centred, large, on light grey, in soft studio light",
            "1:1",
            _GOODS,
        ),
        _role(
            "White",
            f"Product on pure white: {_SAME_THING}, front view, no text, a faint contact shadow",
            "1:1",
            _GOODS,
        ),
        _role(
            "Scene", f"Lifestyle scene: {_SAME_THING}, where it is really used, natural light", "3:4", _GOODS
        ),
        _role(
            "Detail", f"Macro of a detail: {_SAME_THING}, showing the material and the work", "3:4", _GOODS
        ),
        _role(
            "Feature",
            f"Feature image: {_SAME_THING}, at one side, the other left empty for text",
            "3:4",
            _GOODS,
        ),
    ],
    "Shop set of angles": [
        _role("Front", f"Product on white: {_SAME_THING}, front view", "1:1", "Product photo 1"),
        _role("Back", f"Product on white: {_SAME_THING}, back view", "1:1", "Product photo 2"),
        _role("Close-up", f"Macro of a detail: {_SAME_THING}", "3:4", "Product photo 3"),
        _role("Mood", f"Mood image: {_SAME_THING}, in a warm home, evening light", "3:4", "Product photo 1"),
    ],
    "Portrait set of four": [
        _role(
            "ID", f"The same person, {_SAME_FACE}, half length, plain light blue, even light", "3:4", _PHOTO
        ),
        _role(
            "Business", f"The same person, {_SAME_FACE}, in a suit, dark grey, Rembrandt light", "3:4", _PHOTO
        ),
        _role(
            "Outdoors", f"The same person, {_SAME_FACE}, in a park, evening backlight, bokeh", "2:3", _PHOTO
        ),
        _role(
            "Black and white", f"The same person, {_SAME_FACE}, close-up, side light, grain", "1:1", _PHOTO
        ),
    ],
}


def _read(examples: Mapping[str, list[dict[str, Any]]]) -> Mapping[str, Recipe]:
    return {name: read_recipe(name, {"roles": roles}) for name, roles in examples.items()}


CHINESE, ENGLISH = _read(_CHINESE), _read(_ENGLISH)
EXAMPLES: Mapping[str, Recipe] = {**CHINESE, **ENGLISH}
