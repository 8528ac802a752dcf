"""A fake of Seedream on Ark, as strict as its description allows.

Words in the prompt: 违禁 -> InputTextSensitiveContentDetected; 必拒 -> an OutputImage… error for the picture;
欠费 -> AccountOverdueError; 用完 -> QuotaExceeded.
"""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.fakes.service import Call, FakeService, Refusal, Reply, Submission, as_json, run_standalone

KEY = "ark-test-key"
PATH = "/api/v3/images/generations"
MODELS = "/api/v3/models"


@dataclass(frozen=True, kw_only=True)
class _Model:
    """What a model takes, and the mainland's price list in CNY; without ``price`` it has none in CNY.

    A picture of more than ``line`` pixels costs ``price_above``. Of the images sent, all after the first
    ``free_images`` cost ``price_of_image`` each. ``has_ended``: the mainland switched it off.
    """

    least: int = 921_600
    most: int = 4_624_220
    images: int = 10
    takes_groups: bool = False
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
    "5-5-261028": _Model(free_images=0),
    "5-0-pro-260628": _Model(price="0.30", price_above="0.60", price_of_image="0.02"),
    "5-0-flash-260915": _Model(price="0.12"),
}
_MAINLAND = "doubao-seedream-"
_IDS = {
    f"{prefix}{version}": model
    for version, model in _MODELS.items()
    for prefix in (_MAINLAND, "dola-seedream-", "seedream-")
}
_FIELDS = {
    "model",
    "prompt",
    "image",
    "size",
    "sequential_image_generation",
    "sequential_image_generation_options",
    "stream",
    "response_format",
    "watermark",
    "output_format",
    "optimize_prompt_options",
}


class FakeSeedream(FakeService):
    """Seedream: answers after ``latency`` with a URL, or with the image for ``b64_json``."""

    name = "seedream"
    steps = ("submit", "models", "download")

    def __init__(self, *, key: str = KEY, **service_options: Any) -> None:
        super().__init__(**service_options)
        self.key = key
        self.keeps_old_models = False  # as before the mainland switched them off
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
        return {"model": order.body["model"], "created": int(order.at), "data": [made], "usage": usage}


def _check(body: dict[str, Any], model: _Model) -> tuple[int, int]:
    unknown = body.keys() - _FIELDS
    if unknown:
        raise error(400, "InvalidParameter", f"unknown fields {sorted(unknown)}")
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
    if "sequential_image_generation" in body and not model.takes_groups:
        raise error(400, "InvalidParameter", "sequential_image_generation")
    _check_images(_images(body), model.images)
    return _check_size(body, model)


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
    found = re.fullmatch(r"(\d+)x(\d+)", str(body.get("size", "2048x2048")))
    if not found:
        raise error(400, "InvalidParameter", "size")
    width, height = int(found[1]), int(found[2])
    if not model.least <= width * height <= model.most or not 1 / 16 <= width / height <= 16:
        raise error(400, "InvalidParameter", f"size must be within {model.least} and {model.most} pixels")
    return width, height


def error(status: int, code: str, message: str) -> Refusal:
    """A refusal in Ark's form."""
    return Refusal(
        status,
        {"error": {"code": code, "message": message, "param": "", "type": "BadRequest"}},
        {"X-Request-Id": "20260101"},
    )


if __name__ == "__main__":
    run_standalone(FakeSeedream)
