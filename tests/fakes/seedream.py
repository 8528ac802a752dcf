"""A fake of Seedream on Ark, as strict as its description allows.

Words in the prompt: 违禁 -> InputTextSensitiveContentDetected; 必拒 -> an OutputImage… error for the picture;
欠费 -> AccountOverdueError; 用完 -> QuotaExceeded.
"""

from __future__ import annotations

import base64
import re
import time
from typing import Any

from tests.fakes.service import Call, FakeService, Refusal, Reply, Submission, as_json, run_standalone

KEY = "ark-test-key"
PATH = "/api/v3/images/generations"
MODELS = "/api/v3/models"

# family: (least pixels, most pixels, most references, takes sequential_image_generation)
_FAMILIES = {
    "doubao-seedream-4-0-250828": (921_600, 16_777_216, 14, True),
    "doubao-seedream-4-5-251128": (3_686_400, 16_777_216, 14, True),
    "doubao-seedream-5-0-260128": (3_686_400, 16_777_216, 14, True),
    "doubao-seedream-5-5-261028": (921_600, 4_624_220, 10, False),
    "doubao-seedream-5-0-pro-260628": (921_600, 4_624_220, 10, False),
    "doubao-seedream-5-0-flash-260915": (921_600, 4_624_220, 10, False),
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

    def step_of(self, call: Call) -> str:
        """Every call but the model list is a submission."""
        return "models" if call.path == MODELS else "submit"

    def answer(self, step: str, call: Call) -> Reply:
        """One submission or the model list."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self.wrong_key()
        if step == "models" and call.method == "GET":
            return as_json({"object": "list", "data": [{"id": name} for name in _FAMILIES]})
        if call.method != "POST" or call.path != PATH:
            raise error(404, "InvalidEndpointOrModel.NotFound", f"no {call.path}")
        body = call.fields
        width, height = _check(body)
        with self.slot():
            order = self.accept(body, width, height)
            time.sleep(self.latency)
        return as_json(self._made(order))

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
        usage = {"generated_images": int(order.billed), "output_tokens": tokens, "total_tokens": tokens}
        return {"model": order.body["model"], "created": int(order.at), "data": [made], "usage": usage}


def _check(body: dict[str, Any]) -> tuple[int, int]:
    unknown = body.keys() - _FIELDS
    if unknown:
        raise error(400, "InvalidParameter", f"unknown fields {sorted(unknown)}")
    if body.get("model") not in _FAMILIES:
        raise error(404, "ModelNotOpen", "the model is not activated")
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
    _, _, references, sequential = _FAMILIES[body["model"]]
    if "sequential_image_generation" in body and not sequential:
        raise error(400, "InvalidParameter", "sequential_image_generation")
    _check_images(body.get("image", []), references)
    return _check_size(body)


def _check_images(images: object, most: int) -> None:
    listed = [images] if isinstance(images, str) else images
    good = r"https?://.+|data:image/(png|jpeg|webp|bmp|tiff|gif|heic|heif);base64,[A-Za-z0-9+/=]+"
    if not isinstance(listed, list) or len(listed) > most:
        raise error(400, "InvalidParameter", "image")
    if not all(isinstance(each, str) and re.fullmatch(good, each) for each in listed):
        raise error(400, "InvalidImageURL.InvalidFormat", "image")


def _check_size(body: dict[str, Any]) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", str(body.get("size", "2048x2048")))
    if not found:
        raise error(400, "InvalidParameter", "size")
    width, height = int(found[1]), int(found[2])
    least, most, *_ = _FAMILIES[body["model"]]
    if not least <= width * height <= most or not 1 / 16 <= width / height <= 16:
        raise error(400, "InvalidParameter", f"size must be within {least} and {most} pixels")
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
