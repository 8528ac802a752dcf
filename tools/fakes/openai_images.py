"""A fake server with OpenAI's images API.

Words in the prompt: 违禁 -> moderation_blocked; 没钱 -> insufficient_quota; 崩 -> HTTP 500 with an error.
"""

from __future__ import annotations

import base64
import io
import math
import re
import time
from decimal import Decimal
from email import message_from_bytes
from typing import Any

from PIL import Image

from tools.fakes.service import Call, FakeService, Refusal, Reply, Submission, as_json, run_standalone

KEY = "sk-test-0123456789"
_QUALITIES = ("low", "medium", "high", "auto")
# The longer side in units, by quality; without one the service chooses the dearest. Of 2.6 it is a guess.
_UNITS = {
    "gpt-image-2": {"low": 16, "medium": 48, "high": 96},
    "gpt-image-2.5": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
    "gpt-image-2.6": {"low": 33, "medium": 40, "high": 48, "xhigh": 64, "max": 96},
}
_FIELDS = {
    "prompt",
    "model",
    "n",
    "size",
    "quality",
    "background",
    "moderation",
    "output_format",
    "output_compression",
    "user",
}


class FakeOpenAIImages(FakeService):
    """Options besides those of ``FakeService``:

    key           "" = no key is required, as with local servers
    answers       "b64_json", "url" or "relative_url" (an address without host, as LocalAI's path); "lines" is
                  base64 with line breaks, "data_url" and "data_in_b64" a data: address, as relays send them
    text_errors   errors are plain text instead of an object
    models        the model list; None = no such route
    rate          CNY for a dollar, for ``bill``
    """

    name = "openai"
    steps = ("submit", "models", "download")

    def __init__(
        self,
        *,
        key: str = KEY,
        answers: str = "b64_json",
        text_errors: bool = False,
        models: tuple[str, ...] | None = ("gpt-image-2",),
        rate: str = "7.1",
        **service_options: Any,
    ) -> None:
        super().__init__(**service_options)
        self.key = key
        self.answers = answers
        self.text_errors = text_errors
        self.models = models
        self.images: list[list[bytes]] = []
        self.rate = Decimal(rate)

    def bill(self, order: Submission) -> Decimal:
        """CNY for a billed order, by its tokens."""
        used = self._usage(order)
        read = used["input_tokens_details"]
        dollars = Decimal(5 * read["text_tokens"] + 8 * read["image_tokens"] + 30 * used["output_tokens"])
        return dollars * self.rate / 1_000_000

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings``."""
        return {
            "image_model": "openai",
            "openai_api_key": self.key,
            "openai_base_url": f"{self.address}/v1",
            "openai_image_model": "gpt-image-2",
            "model_timeout": 20,
            **more,
        }

    def step_of(self, call: Call) -> str:
        """Every call but the model list is a submission."""
        return "models" if call.path == "/v1/models" else "submit"

    def answer(self, step: str, call: Call) -> Reply:
        """One submission or the model list."""
        if self.key and call.headers.get("authorization") != f"Bearer {self.key}":
            raise self.wrong_key()
        if not self.key and "authorization" in call.headers:
            raise self._error(400, "unexpected_key", "no key is asked for here")
        if step == "models" and call.method == "GET" and self.models is not None:
            return as_json({"object": "list", "data": [{"id": name} for name in self.models]})
        if call.path == "/v1/images/edits":
            body, images = _form(call)
            if not 1 <= len(images) <= 16:
                raise self._error(400, "invalid_image", "image is required")
            if mask := body.pop("mask", None):
                self._check_mask(mask, images)
        elif call.path == "/v1/images/generations":
            body, images = call.fields, []
        else:
            raise self._error(404, "not_found", f"no {call.path}")
        width, height = self._check(body)
        with self.slot():
            order = self.accept(body, width, height)
            self.images.append(images)
            time.sleep(self.latency)
        made = {
            "b64_json": lambda: base64.b64encode(self.image_of(order)).decode(),
            "lines": lambda: base64.encodebytes(self.image_of(order)).decode(),
            "url": lambda: self.image_url(order),
            "relative_url": lambda: self.image_url(order).removeprefix(self.address),
            "data_url": lambda: self._data_url(order),
            "data_in_b64": lambda: self._data_url(order),
        }[self.answers]()
        field = "url" if self.answers.endswith("url") else "b64_json"
        return as_json({"created": int(order.at), "data": [{field: made}], "usage": self._usage(order)})

    def busy(self) -> Refusal:
        """rate_limit_exceeded."""
        return self._error(429, "rate_limit_exceeded", "slow down")

    def wrong_key(self) -> Refusal:
        """invalid_api_key that quotes the key, as the real service does."""
        return self._error(401, "invalid_api_key", f"Incorrect API key provided: {self.key}")

    def _usage(self, order: Submission) -> dict[str, Any]:
        """Tokens as the service counts them: patches of the references, and the image by size and quality."""
        model = "-".join(str(order.body.get("model", "")).split("-")[:3])
        units = _UNITS.get(model, _UNITS["gpt-image-2"])
        of_side = units.get(order.body.get("quality", "auto"), max(units.values()))
        long, short = max(order.width, order.height), min(order.width, order.height)
        cells = of_side * max(math.floor(of_side * short / long + 0.5), 1)
        made = math.ceil(cells * (2_000_000 + order.width * order.height) / 4_000_000)
        text = len(order.body["prompt"].split()) + 6
        images = sum(_patches(content) for content in self.images[order.number - 1])
        read = {"text_tokens": text, "image_tokens": images}
        tokens = {"input_tokens": text + images, "output_tokens": made}
        return {**tokens, "total_tokens": text + images + made, "input_tokens_details": read}

    def _data_url(self, order: Submission) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.image_of(order)).decode()}"

    def _check(self, body: dict[str, Any]) -> tuple[int, int]:
        if body.keys() - _FIELDS:
            raise self._error(400, "unknown_parameter", f"unknown {sorted(body.keys() - _FIELDS)}")
        prompt = body.get("prompt", "")
        if not prompt or len(prompt) > 32_000:
            raise self._error(400, "invalid_value", "prompt")
        if "违禁" in prompt:
            raise self._error(400, "moderation_blocked", "rejected by the safety system")
        if "没钱" in prompt:
            raise self._error(429, "insufficient_quota", "check your plan")
        if "崩" in prompt:
            raise self._error(500, "server_error", "something broke")
        if str(body.get("n", 1)) != "1":
            raise self._error(400, "invalid_value", "n")
        self._check_output(body)
        return self._check_size(str(body.get("size", "1024x1024")))

    def _check_mask(self, content: bytes, images: list[bytes]) -> None:
        """A PNG below 4 MB with an alpha channel, of the size of the only picture."""
        with Image.open(io.BytesIO(content)) as mask, Image.open(io.BytesIO(images[0])) as picture:
            is_clear = mask.mode == "RGBA" and mask.getchannel("A").getextrema()[0] == 0
            if mask.format != "PNG" or len(content) >= 4_000_000 or not is_clear:
                raise self._error(400, "invalid_image_file", "the mask is no PNG with transparency")
            if mask.size != picture.size or len(images) != 1:
                raise self._error(400, "invalid_image_file", "the mask does not fit the one image")

    def _check_output(self, body: dict[str, Any]) -> None:
        model = str(body.get("model"))
        more = ("xhigh", "max") if model.startswith(("gpt-image-2.5", "gpt-image-2.6")) else ()
        output_format, background = body.get("output_format", "png"), body.get("background", "auto")
        if body.get("quality", "auto") not in (*_QUALITIES, *more):
            raise self._error(400, "invalid_value", "quality")
        if output_format not in ("png", "jpeg", "webp") or background not in (
            "transparent",
            "opaque",
            "auto",
        ):
            raise self._error(400, "invalid_value", "output_format or background")
        if background == "transparent" and output_format == "jpeg":
            raise self._error(400, "invalid_value", "a transparent background needs png or webp")

    def _check_size(self, size: str) -> tuple[int, int]:
        found = re.fullmatch(r"(\d+)x(\d+)", size)
        width, height = (int(found[1]), int(found[2])) if found else (0, 0)
        fits = width % 16 == height % 16 == 0 and max(width, height) <= 3840
        fits = fits and 655_360 <= width * height <= 3840 * 2160
        if not found or not fits or not 1 / 3 <= width / height <= 3:
            raise self._error(400, "invalid_value", "size")
        return width, height

    def _error(self, status: int, code: str, message: str) -> Refusal:
        if self.text_errors:
            return Refusal(status, {"error": message})
        return Refusal(status, {"error": {"message": message, "type": "invalid_request_error", "code": code}})


def _patches(content: bytes) -> int:
    """The tokens of a reference: patches of 32 pixels, after small ones are enlarged."""
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    larger = min(max(1024 / max(width, height), 1), 2)
    return min(math.ceil(width * larger / 32) * math.ceil(height * larger / 32), 1536)


def _form(call: Call) -> tuple[dict[str, Any], list[bytes]]:
    """The fields and the images of a multipart call."""
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode()
    fields: dict[str, Any] = {}
    images: list[bytes] = []
    parts: Any = message_from_bytes(head + call.content).get_payload()
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if name in ("image", "image[]"):
            images.append(content)
        elif name == "mask":
            fields[name] = content
        else:
            fields[name] = content.decode()
    return fields, images


if __name__ == "__main__":
    run_standalone(FakeOpenAIImages)
