"""The recipes that come with the program: two for goods, one for portraits; read-only."""

from collections.abc import Mapping
from typing import Any

from app.domain.recipes import Recipe, read_recipe

_OWN = [{"column": "产品图"}]
_SAME = "和参考图里完全一样的产品，形状、颜色、材质和上面的字都不变"


def _role(role: str, prompt: str, ratio: str = "1:1", images: Any = _OWN) -> dict[str, Any]:
    return {
        "role": role,
        "prompt": prompt,
        "aspect_ratio": ratio,
        "resolution": "2K",
        "sample_images": images,
    }


_EXAMPLES: Mapping[str, list[dict[str, Any]]] = {
    "电商五张": [
        _role("主图", f"电商主图：{_SAME}，居中，占画面八成，浅灰渐变背景，柔和的棚拍光，干净的投影"),
        _role("白底", f"白底图：{_SAME}，纯白背景，正面，没有文字和道具，只有很浅的接触阴影"),
        _role("场景", f"生活场景：{_SAME}，放在它真正会被用到的地方，自然光，景深浅", "3:4"),
        _role("细节", f"细节特写：{_SAME}，微距，看清材质和做工", "3:4"),
        _role("卖点", f"卖点图：{_SAME}，靠画面一侧，另一侧留出干净的空白，以后排文字", "3:4"),
    ],
    "电商多角度": [
        _role("正面", f"白底图：{_SAME}，正面", images=[{"column": "产品图1"}]),
        _role("背面", f"白底图：{_SAME}，背面", images=[{"column": "产品图2"}]),
        _role("特写", f"细节特写：{_SAME}，微距", "3:4", [{"column": "产品图3"}]),
        _role("氛围", f"氛围图：{_SAME}，暖色的家居环境，傍晚的光", "3:4", [{"column": "产品图1"}]),
    ],
    "人像四张": [
        _role(
            "证件",
            "同一个人的半身像，面容和参考图完全一致，纯色浅蓝背景，正面，光线均匀",
            "3:4",
            [{"column": "照片"}],
        ),
        _role(
            "职业",
            "同一个人的职业形象照，面容和参考图完全一致，深灰背景，伦勃朗光，西装",
            "3:4",
            [{"column": "照片"}],
        ),
        _role(
            "外景", "同一个人在公园里，面容和参考图完全一致，傍晚逆光，背景虚化", "2:3", [{"column": "照片"}]
        ),
        _role(
            "黑白", "同一个人的黑白特写，面容和参考图完全一致，侧光，胶片颗粒", "1:1", [{"column": "照片"}]
        ),
    ],
}
EXAMPLES: Mapping[str, Recipe] = {
    name: read_recipe(name, {"roles": roles}) for name, roles in _EXAMPLES.items()
}
