"""A fake of Alibaba Bailian, as strict as its description allows.

Words in the prompt: 违禁 -> DataInspectionFailed with HTTP status 200; 欠费 -> Arrearage;
用完 -> AllocationQuota.FreeTierOnly.
"""

from __future__ import annotations

import base64
import io
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from PIL import Image

from tools.fakes.service import Call, FakeService, Refusal, Reply, Submission, as_json, run_standalone

KEY = "sk-bailian-test-key"
PATH = "/api/v1/services/aigc/multimodal-generation/generation"
TASKS = "/api/v1/tasks/"


@dataclass(frozen=True, kw_only=True)
class _Model:
    """What a model takes, and its price list in CNY; without ``price`` it has none in CNY."""

    parameters: frozenset[str]
    images: int = 0
    least: int = 512 * 512
    most: int = 2048 * 2048
    price: str = ""
    price_of_image: str = "0"


_SHARED = frozenset({"size", "n", "seed", "watermark"})
_QWEN = _SHARED | {"negative_prompt", "prompt_extend"}
_WAN = _SHARED | {"thinking_mode", "enable_sequential", "bbox_list", "color_palette"}
_qwen = partial(_Model, parameters=_QWEN, least=262_144, most=6_553_600)  # image-models-update.md, section 6
_MODELS = {
    "wan2.7-image-pro": _Model(parameters=_WAN, images=9, least=768 * 768, price="0.50"),
    "wan2.7-image": _Model(parameters=_WAN, images=9, least=768 * 768),
    "qwen-image-3.0-pro": _qwen(images=3),
    "qwen-image-3.0": _qwen(images=3, price="0.18", price_of_image="0.02"),
    "qwen-image-2.1": _qwen(images=10),
    "qwen-image-2.0-pro": _qwen(images=3, price="0.50"),
    "qwen-image-2.0": _qwen(images=3, price="0.20"),
    "z-image-turbo": _Model(parameters=_SHARED | {"prompt_extend"}, price="0.10"),
}


class FakeBailian(FakeService):
    """Bailian: answers after ``latency`` with a URL."""

    name = "bailian"
    steps = ("submit", "task", "download")

    def __init__(self, *, key: str = KEY, **service_options: Any) -> None:
        super().__init__(**service_options)
        self.key = key

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings``."""
        return {
            "image_model": "bailian",
            "dashscope_api_key": self.key,
            "dashscope_base_url": self.address,
            "model_timeout": 20,
            **more,
        }

    def bill(self, order: Submission) -> Decimal | None:
        """CNY for a billed order; None without a price in CNY."""
        model = _MODELS[order.body["model"]]
        images = _images(order.body["input"]["messages"][0]["content"])
        return Decimal(model.price) + len(images) * Decimal(model.price_of_image) if model.price else None

    def step_of(self, call: Call) -> str:
        """Every call but the query of a task is a submission."""
        return "task" if call.path.startswith(TASKS) else "submit"

    def answer(self, step: str, call: Call) -> Reply:
        """One submission, or the query of a task: there are none."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self.wrong_key()
        if step == "task" and call.method == "GET":
            output = {"task_id": call.path.removeprefix(TASKS), "task_status": "UNKNOWN"}
            return as_json({"request_id": "r-1", "output": output})
        if call.method != "POST" or call.path != PATH:
            raise error(404, "NotFound", f"no {call.path}")
        width, height = _check(call.fields)
        with self.slot():
            order = self.accept(call.fields, width, height)
            time.sleep(self.latency)
        return as_json(self._made(order))

    def busy(self) -> Refusal:
        """Throttling.RateQuota."""
        return error(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.")

    def wrong_key(self) -> Refusal:
        """InvalidApiKey that quotes the key, as careless servers do."""
        return error(401, "InvalidApiKey", f"Invalid API-key provided: {self.key}")

    def _made(self, order: Submission) -> dict[str, Any]:
        content = [{"image": self.image_url(order), "type": "image"}]
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        usage = {"width": order.width, "height": order.height, "image_count": 1}
        return {"request_id": f"r-{order.number}", "output": {"choices": [choice]}, "usage": usage}


def _check(body: dict[str, Any]) -> tuple[int, int]:
    if body.keys() != {"model", "input", "parameters"} or body["input"].keys() != {"messages"}:
        raise error(400, "InvalidParameter", "fields")
    model = _MODELS.get(body["model"])
    if model is None:
        raise error(404, "ModelNotFound", "Model not exist.")
    messages = body["input"]["messages"]
    if len(messages) != 1 or messages[0].keys() != {"role", "content"} or messages[0]["role"] != "user":
        raise error(400, "InvalidParameter", "only one message of the user is accepted")
    _check_content(messages[0]["content"], model.images)
    if (boxes := body["parameters"].get("bbox_list")) is not None:
        return _check_boxes(body["parameters"], boxes, _images(messages[0]["content"]))
    return _check_parameters(body["parameters"], model)


def _images(content: list[dict[str, Any]]) -> list[str]:
    return [part["image"] for part in content if "image" in part]


def _check_content(content: list[dict[str, Any]], most: int) -> None:
    texts = [part["text"] for part in content if part.keys() == {"text"}]
    images = [part["image"] for part in content if part.keys() == {"image"}]
    if len(texts) != 1 or not texts[0] or len(texts) + len(images) != len(content):
        raise error(400, "InvalidParameter", "content")
    if len(images) > most:
        raise error(400, "InvalidParameter", f"at most {most} images")
    good = r"https?://.+|data:image/(jpeg|png|bmp|webp);base64,[A-Za-z0-9+/=]+"
    if not all(re.fullmatch(good, image) for image in images):
        raise error(400, "InvalidURL", "the image cannot be read")
    for word, refusal in _BY_WORD.items():
        if word in texts[0]:
            raise error(*refusal)


def _check_boxes(parameters: dict[str, Any], boxes: Any, images: list[str]) -> tuple[int, int]:
    """A list for each picture, of at most two boxes in its pixels; the size is 1K or 2K, of its ratio."""
    area = {"1K": 1024 * 1024, "2K": 2048 * 2048}.get(parameters.get("size", "2K"))
    if area is None or len(boxes) != len(images) or any(len(each) > 2 for each in boxes):
        raise error(400, "InvalidParameter", "size is 1K or 2K, bbox_list has at most 2 boxes a picture")
    for each, image in zip(boxes, images, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2]))) as picture:
            width, height = picture.size
        if any(not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height) for x1, y1, x2, y2 in each):
            raise error(400, "InvalidParameter", "a box is outside of its picture")
    scale = (area / (width * height)) ** 0.5
    return round(width * scale), round(height * scale)


def _check_parameters(parameters: dict[str, Any], model: _Model) -> tuple[int, int]:
    unknown = parameters.keys() - model.parameters
    if unknown:
        raise error(400, "InvalidParameter", f"unknown parameters {sorted(unknown)}")
    if parameters.get("n") != 1:
        raise error(400, "InvalidParameter", "n")  # the service takes more, for more money
    if not 0 <= parameters.get("seed", 0) <= 2_147_483_647:
        raise error(400, "InvalidParameter", "seed")
    for switch in ("watermark", "prompt_extend"):
        if not isinstance(parameters.get(switch, False), bool):
            raise error(400, "InvalidParameter", switch)
    found = re.fullmatch(r"(\d+)\*(\d+)", str(parameters.get("size")))
    width, height = (int(found[1]), int(found[2])) if found else (0, 1)
    if not model.least <= width * height <= model.most or not 1 / 8 <= width / height <= 8:
        raise error(400, "InvalidParameter", f"size must be within {model.least} and {model.most} pixels")
    return width, height


def error(status: int, code: str, message: str) -> Refusal:
    """A refusal in Bailian's form."""
    return Refusal(status, {"request_id": "r-0", "code": code, "message": message})


_BY_WORD = {
    "违禁": (200, "DataInspectionFailed", "Input data may contain inappropriate content."),
    "欠费": (400, "Arrearage", "Access denied, please make sure your account is in good standing."),
    "用完": (403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted."),
}


if __name__ == "__main__":
    run_standalone(FakeBailian)
