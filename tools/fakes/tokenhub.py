"""A fake of Tencent's TokenHub, as strict as its description allows.

A size of Hunyuan that is out of range is changed, not refused. Words in the prompt: 违禁 -> 451001; 没钱 ->
402; 关了 -> an error with HTTP status 200; 空 -> HTTP status 200 without an image; 上游 -> 502001.
"""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any

from tools.fakes.service import Call, FakeService, Refusal, Reply, Submission, as_json, run_standalone

KEY = "sk-tokenhub-test-key"
TASKS = "/v1/wand/vidu-image/tasks/"
_PATHS = {
    "hy-image-v3.5-preview": "/v1/wand/hunyuan-image/v35-generation",
    "seedream-image-v5.0-pro": "/v1/wand/si-image/generation",
}
_HUNYUAN = {"model", "messages", "size", "seed", "footnote"}
_SEEDREAM = {"model", "prompt", "images", "size", "response_format", "output_format", "watermark"}
_ADDRESS = r"https?://.+|data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/=]+"


class FakeTokenHub(FakeService):
    """TokenHub: answers after ``latency`` with a URL, which lives for 12 hours."""

    name = "tokenhub"
    steps = ("submit", "task", "download")

    def __init__(self, *, key: str = KEY, **service_options: Any) -> None:
        super().__init__(**service_options)
        self.key = key

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings``."""
        return {
            "image_model": "tokenhub",
            "tokenhub_api_key": self.key,
            "tokenhub_base_url": self.address,
            "model_timeout": 20,
            **more,
        }

    def bill(self, order: Submission) -> Decimal | None:
        """CNY for a billed order; None where no price is published."""
        if not order.body["model"].startswith("hy-"):
            return None
        return Decimal("0.15" if order.width * order.height <= 2048 * 2048 else "0.20")

    def url_alive(self, call: Call, order: Submission) -> bool:
        """12 hours."""
        return self.clock() - order.at < 12 * 3600

    def step_of(self, call: Call) -> str:
        """Every call but the query of a task is a submission."""
        return "task" if call.path.startswith(TASKS) else "submit"

    def answer(self, step: str, call: Call) -> Reply:
        """One submission, or the query of a task: there are none."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self.wrong_key()
        if step == "task" and call.method == "GET":
            return error(400, 400001, "task not found").reply
        body = call.fields
        if call.method != "POST" or call.path not in _PATHS.values():
            raise error(404, 404001, f"no {call.path}")
        if _PATHS.get(body.get("model", "")) != call.path:
            raise error(400, 400004, f"model {body.get('model')} not found")
        is_hunyuan = body["model"].startswith("hy-")
        prompt, images = (_hunyuan if is_hunyuan else _seedream)(body)
        _check_images(images, 20 if is_hunyuan else 10)
        width, height = (_clamped if is_hunyuan else _within)(str(body.get("size", "1536x1536")))
        _refuse(prompt)
        with self.slot():
            order = self.accept(body, width, height)
            time.sleep(self.latency)
        if "空" in prompt:
            return as_json({"choices": [{"delta": {"content": "…"}}]})
        return as_json(self._made(order, is_hunyuan))

    def busy(self) -> Refusal:
        """429001."""
        return error(429, 429001, "rpm limit exceeded")

    def wrong_key(self) -> Refusal:
        """401002 that quotes the key, as careless servers do."""
        return error(401, 401002, f"invalid api key: {self.key}")

    def _made(self, order: Submission, is_hunyuan: bool) -> dict[str, Any]:
        url = self.image_url(order)
        if not is_hunyuan:
            return {"id": "r-1", "data": [{"url": url}], "tokenhub_usage": {"total_tokens": 30_000}}
        image = {"url": url, "width": order.width, "height": order.height}
        return {"id": "r-1", "choices": [{"index": 0, "delta": {"image": image}}]}


def _hunyuan(body: dict[str, Any]) -> tuple[str, list[str]]:
    if body.keys() - _HUNYUAN or len(body["messages"]) != 1:
        raise error(400, 400001, "unknown field")
    told = body["messages"][0]
    if told.keys() != {"role", "content"} or told["role"] != "user":
        raise error(400, 400001, "messages")
    if not 1 <= body.get("seed", 1) <= 4_294_967_295:
        raise error(400, 400001, "seed")
    text, *images = told["content"]
    if text.keys() != {"type", "text"} or text["type"] != "text" or not text["text"]:
        raise error(400, 400001, "text")
    if not all(each.keys() == {"type", "image_url"} and each["type"] == "image_url" for each in images):
        raise error(400, 400001, "image_url")
    return text["text"], [each["image_url"]["url"] for each in images]


def _seedream(body: dict[str, Any]) -> tuple[str, list[str]]:
    if body.keys() - _SEEDREAM or not body.get("prompt"):
        raise error(400, 400001, "unknown field, or no prompt")
    if not isinstance(body.get("watermark", False), bool) or body.get("response_format") != "url":
        raise error(400, 400001, "watermark or response_format")
    return body["prompt"], body.get("images", [])


def _check_images(images: list[str], most: int) -> None:
    if len(images) > most or not all(re.fullmatch(_ADDRESS, image) for image in images):
        raise error(400, 400002, "images")


def _numbers(size: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    if not found:
        raise error(400, 400001, "size")
    return int(found[1]), int(found[2])


def _clamped(size: str) -> tuple[int, int]:
    width, height = (min(max(side, 256), 8192) for side in _numbers(size))
    return (width, height) if width * height <= 16_777_216 else (4096, 4096)


def _within(size: str) -> tuple[int, int]:
    width, height = _numbers(size)
    if not (921_600 <= width * height <= 4_624_220 and 1 / 16 <= width / height <= 16):
        raise error(400, 400001, "size is out of range")
    return width, height


def _refuse(prompt: str) -> None:
    for word, refusal in _BY_WORD.items():
        if word in prompt:
            raise error(*refusal)


def error(status: int, code: int | str, message: str) -> Refusal:
    """A refusal in TokenHub's form."""
    about = {"type": "error", "code": code, "message": message, "source": "gateway", "request_id": "r-0"}
    return Refusal(status, {"error": about})


_BY_WORD: dict[str, tuple[int, int | str, str]] = {
    "违禁": (451, 451001, "content filtered"),
    "没钱": (402, 401008, "balance is not enough"),
    "关了": (200, "ResourceUnavailable.InterfaceNotExist", "interface does not exist"),
    "上游": (502, 502001, "upstream error"),
}


if __name__ == "__main__":
    run_standalone(FakeTokenHub)
