"""A fake of Seedream on Ark, as strict as its description allows.

Words in the prompt: 违禁 -> InputTextSensitiveContentDetected; 必拒 -> an OutputImage… error for the picture;
欠费 -> AccountOverdueError; 用完 -> QuotaExceeded.
"""

from __future__ import annotations

import base64
import io
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from PIL import Image

from tools.fakes.service import Call, FakeService, Refusal, Reply, Submission, as_json, run_standalone

KEY = "ark-test-key"
PATH = "/api/v3/images/generations"
MODELS = "/api/v3/models"


@dataclass(frozen=True, kw_only=True)
class _Model:
    """What a model takes, and the mainland's price list in CNY; without ``price`` it has none in CNY.

    A picture of more than ``line`` pixels costs ``price_above``. Of the images sent, all after the first
    ``free_images`` cost ``price_of_image`` each. ``has_ended``: the mainland switched it off.
    ``backgrounds``: any picture may have one; else only one PNG with alpha stays transparent.
    """

    least: int = 921_600
    most: int = 4_624_220
    images: int = 10
    takes_groups: bool = False
    backgrounds: bool = False
    modes: tuple[str, ...] = ("standard",)
    has_ended: bool = False
    price: str = ""
    price_above: str = ""
    line: int = 2_360_000
    price_of_image: str = "0"
    free_images: int = 1


_OLD = {"most": 16_777_216, "images": 14, "takes_groups": True, "has_ended": True}
_MODELS = {
    "4-0-250828": _Model(**_OLD, price="0.20"),  # type: ignore[arg-type]
    "4-5-251128": _Model(**_OLD, least=3_686_400, price="0.25"),  # type: ignore[arg-type]
    "5-0-260128": _Model(**_OLD, least=3_686_400, price="0.22"),  # type: ignore[arg-type]
    "5-0-lite-260128": _Model(**_OLD, least=3_686_400, price="0.22"),  # type: ignore[arg-type]
    "5-5-261028": _Model(free_images=0, backgrounds=True),
    "5-0-pro-260628": _Model(
        price="0.30", price_above="0.60", price_of_image="0.02", modes=("standard", "fast")
    ),
    "5-0-flash-260915": _Model(price="0.12", modes=()),
}
_TIERS = {"1K": 1024, "1.5K": 1536, "2K": 2048}  # -> side of the square
_LARGEST_BODY = 64 * 1_048_576
_MAINLAND = "doubao-seedream-"
_IDS = {
    f"{prefix}{version}": model
    for version, model in _MODELS.items()
    for prefix in (_MAINLAND, "dola-seedream-", "seedream-")
}
_FIELDS = {"model", "prompt", "image", "size", "response_format", "watermark", "optimize_prompt_options"}
_GROUP_FIELDS = {"sequential_image_generation", "sequential_image_generation_options", "stream"}
_CURRENT_FIELDS = {"output_format", "background"}


class FakeSeedream(FakeService):
    """Seedream: answers after ``latency`` with a URL, or with the image for ``b64_json``.

    ``usage`` is reported instead of the true one while it is not None.
    """

    name = "seedream"
    steps = ("submit", "models", "download")

    def __init__(self, *, key: str = KEY, **service_options: Any) -> None:
        super().__init__(**service_options)
        self.key = key
        self.keeps_old_models = False  # as before the mainland switched them off
        self.usage: Any = None
        self._expired: set[int] = set()

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings``."""
        base = f"{self.address}/api/v3"
        return {
            "image_model": "seedream",
            "ark_api_key": self.key,
            "ark_base_url": base,
            "model_timeout": 20,
            **more,
        }

    def expire_urls(self) -> None:
        """Invalidate the URLs returned so far, permanently."""
        with self.lock:
            self._expired |= {order.number for order in self.submissions}

    def url_alive(self, call: Call, order: Submission) -> bool:
        """24 hours, unless expired by hand."""
        return order.number not in self._expired and super().url_alive(call, order)

    def bill(self, order: Submission) -> Decimal | None:
        """CNY for a billed order, by the pixels made and the images sent; None without a price in CNY."""
        model = _IDS[order.body["model"]]
        if not model.price or not order.body["model"].startswith(_MAINLAND):
            return None
        is_above = model.price_above and order.width * order.height > model.line
        extra = max(len(_images(order.body)) - model.free_images, 0)
        return Decimal(model.price_above if is_above else model.price) + extra * Decimal(model.price_of_image)

    def step_of(self, call: Call) -> str:
        """Every call but the model list is a submission."""
        return "models" if call.path == MODELS else "submit"

    def answer(self, step: str, call: Call) -> Reply:
        """One submission or the model list."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self.wrong_key()
        if step == "models" and call.method == "GET":
            return as_json({"object": "list", "data": [{"id": name} for name in _IDS if self._offers(name)]})
        if call.method != "POST" or call.path != PATH:
            raise error(404, "InvalidEndpointOrModel.NotFound", f"no {call.path}")
        if len(call.content) > _LARGEST_BODY:
            raise error(413, "RequestEntityTooLarge", "the body is larger than 64 MB")
        body = call.fields
        if not self._offers(body.get("model")):
            raise error(404, "ModelNotOpen", "the model is not activated")
        width, height = _check(body, _IDS[body["model"]])
        with self.slot():
            order = self.accept(body, width, height)
            time.sleep(self.latency)
        return as_json(self._made(order))

    def _offers(self, model_id: Any) -> bool:
        has_ended = str(model_id).startswith(_MAINLAND) and not self.keeps_old_models
        return model_id in _IDS and not (has_ended and _IDS[model_id].has_ended)

    def busy(self) -> Refusal:
        """ServerOverloaded."""
        return error(429, "ServerOverloaded", "too many")

    def wrong_key(self) -> Refusal:
        """AuthenticationError that quotes the key, as careless servers do."""
        return error(401, "AuthenticationError", f"the key {self.key} is invalid")

    def _made(self, order: Submission) -> dict[str, Any]:
        made: dict[str, Any] = {"size": f"{order.width}x{order.height}"}
        made |= {name: order.body[name] for name in _CURRENT_FIELDS & order.body.keys()}
        if "必拒" in order.body["prompt"]:
            order.billed = False
            made = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "risk"}}
        elif order.body.get("response_format", "url") == "url":
            made["url"] = self.image_url(order)
        else:
            made["b64_json"] = base64.b64encode(self.image_of(order)).decode()
        tokens = order.width * order.height // 256
        usage = {
            "input_images": len(_images(order.body)),
            "generated_images": int(order.billed),
            "output_tokens": tokens,
            "total_tokens": tokens,
        }
        reported = usage if self.usage is None else self.usage
        return {"model": order.body["model"], "created": int(order.at), "data": [made], "usage": reported}


def _check(body: dict[str, Any], model: _Model) -> tuple[int, int]:
    for name in body.keys() - _FIELDS - (_GROUP_FIELDS if model.takes_groups else _CURRENT_FIELDS):
        text = f"the parameter `{name}` is not supported by the current model"
        raise error(400, "InvalidParameter", text, param=name)
    if not isinstance(body.get("prompt"), str) or not body["prompt"]:
        raise error(400, "MissingParameter", "prompt")
    if "违禁" in body["prompt"]:
        raise error(400, "InputTextSensitiveContentDetected", "risk")
    if "欠费" in body["prompt"]:
        raise error(403, "AccountOverdueError", "overdue")
    if "用完" in body["prompt"]:
        raise error(429, "QuotaExceeded", "you have reached the 5-hour limit of your plan")
    if not isinstance(body.get("watermark", True), bool):
        raise error(400, "InvalidParameter", "watermark")
    if body.get("response_format", "url") not in ("url", "b64_json"):
        raise error(400, "InvalidParameter", "response_format")
    if "optimize_prompt_options" in body and body["optimize_prompt_options"].get("mode") not in model.modes:
        raise error(400, "InvalidParameter", "optimize_prompt_options", param="optimize_prompt_options")
    _check_images(_images(body), model.images)
    if not model.takes_groups:
        _check_output(body, model)
    return _check_size(body, model)


def _check_output(body: dict[str, Any], model: _Model) -> None:
    output_format, background = body.get("output_format", "png"), body.get("background", "opaque")
    if output_format not in ("png", "jpeg"):
        raise error(400, "InvalidParameter", "output_format", param="output_format")
    if background not in ("auto", "transparent", "opaque"):
        raise error(400, "InvalidParameter", "background", param="background")
    if background != "transparent":
        return
    if output_format == "jpeg":
        raise error(400, "InvalidParameter", "a transparent background needs png", param="background")
    images = _images(body)
    if not model.backgrounds and not (len(images) == 1 and _has_alpha(images[0])):
        raise error(400, "InvalidParameter", "transparent needs one png with alpha", param="background")


def _has_alpha(image: str) -> bool:
    if not image.startswith("data:image/png;base64,"):
        return False
    with Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2]))) as opened:
        return opened.mode == "RGBA"


def _images(body: dict[str, Any]) -> Any:
    images = body.get("image", [])
    return [images] if isinstance(images, str) else images


def _check_images(listed: Any, most: int) -> None:
    good = r"https?://.+|data:image/(png|jpeg|webp|bmp|tiff|gif|heic|heif);base64,[A-Za-z0-9+/=]+"
    if not isinstance(listed, list) or len(listed) > most:
        raise error(400, "InvalidParameter", "image")
    if not all(isinstance(each, str) and re.fullmatch(good, each) for each in listed):
        raise error(400, "InvalidImageURL.InvalidFormat", "image")


def _check_size(body: dict[str, Any], model: _Model) -> tuple[int, int]:
    size = str(body.get("size", "2K"))
    if side := _TIERS.get(size, 0) if not model.takes_groups else 0:
        return side, side
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    if not found:
        raise error(400, "InvalidParameter", "size", param="size")
    width, height = int(found[1]), int(found[2])
    if not model.least <= width * height <= model.most or not 1 / 16 <= width / height <= 16:
        text = f"size must be within {model.least} and {model.most} pixels"
        raise error(400, "InvalidParameter", text, param="size")
    return width, height


def error(status: int, code: str, message: str, *, param: str = "") -> Refusal:
    """A refusal in Ark's form."""
    return Refusal(
        status,
        {"error": {"code": code, "message": message, "param": param, "type": "BadRequest"}},
        {"X-Request-Id": "20260101"},
    )


if __name__ == "__main__":
    run_standalone(FakeSeedream)
