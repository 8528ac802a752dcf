"""A fake of Gemini's ``generateContent``, of Google or of a reseller, as strict as their description allows.

Words in the prompt, with HTTP status 200: 违禁 -> the prompt is blocked; 像真人 -> IMAGE_SAFETY; 不画 ->
NO_IMAGE; 闲聊 -> only text; 受限 -> PUP_LIMITED_DISABLED. With an error: 没钱 -> insufficient_user_quota;
没开通 -> FAILED_PRECONDITION; 忙 -> 503 UNAVAILABLE; 崩 -> 500 INTERNAL.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tools.fakes.service import Call, FakeService, Refusal, Reply, Submission, as_json, run_standalone

KEY = "AIzaSy-gemini-test-key"
_TEN = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_FOURTEEN = (*_TEN, "1:4", "4:1", "1:8", "8:1")
# Ratios, references, tokens of an image by size, dollars for a million tokens of images, text and input.
_MODELS: dict[str, tuple[tuple[str, ...], int, dict[str, int], str, str, str]] = {
    "gemini-nano-banana-2.1": (_FOURTEEN, 14, {"1K": 1120, "2K": 1680, "4K": 3780}, "30", "7.5", "1.5"),
    "gemini-3-pro-image": (_TEN, 14, {"1K": 1120, "2K": 1120, "4K": 2000}, "120", "12", "2"),
    "gemini-3.1-flash-lite-image": (_TEN, 4, {"1K": 1120}, "30", "30", "0.25"),
    "gemini-2.5-flash-image": (_TEN, 4, {"1K": 1290}, "30", "2.5", "0.3"),
}
_LONG_SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}
THOUGHTS, TOKENS_OF_A_PICTURE = 250, 1120


class FakeGemini(FakeService):
    """Options besides those of ``FakeService``:

    is_google  reads ``x-goog-api-key`` alone and refuses a bearer token; a reseller reads the bearer token
    rate       CNY for a dollar, for ``bill``
    per_call   CNY that a reseller bills for an image
    """

    name = "gemini"
    steps = ("submit", "models", "download")

    def __init__(
        self,
        *,
        key: str = KEY,
        is_google: bool = False,
        rate: str = "7.1",
        per_call: str = "0.30",
        **service_options: Any,
    ) -> None:
        super().__init__(**service_options)
        self.key, self.is_google = key, is_google
        self.rate, self.per_call = Decimal(rate), Decimal(per_call)

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings``."""
        return {
            "image_model": "gemini",
            "gemini_api_key": self.key,
            "gemini_base_url": self.address,
            "model_timeout": 20,
            **more,
        }

    def bill(self, order: Submission) -> Decimal:
        """CNY for a billed order: by its tokens, or a reseller's price for a call."""
        if not self.is_google:
            return self.per_call
        drawn, text, read = map(Decimal, _MODELS[order.body["model"]][3:])
        used = _tokens(order.body)
        dollars = used["read"] * read + used["drawn"] * drawn + THOUGHTS * text
        return dollars * self.rate / 1_000_000

    def step_of(self, call: Call) -> str:
        """Every call but the model list is a submission."""
        return "models" if call.path == "/v1beta/models" else "submit"

    def answer(self, step: str, call: Call) -> Reply:
        """One submission or the model list."""
        bearer, key = call.headers.get("authorization"), call.headers.get("x-goog-api-key")
        if (bearer is not None or key != self.key) if self.is_google else bearer != f"Bearer {self.key}":
            raise self.wrong_key()
        if step == "models" and call.method == "GET":
            return as_json({"models": [{"name": f"models/{model}"} for model in _MODELS]})
        found = re.fullmatch(r"/v1beta/models/([^/:]+):generateContent", call.path)
        if not found or call.method != "POST" or found[1] not in _MODELS:
            raise error(404, "NOT_FOUND", f"no {call.path}")
        body = {"model": found[1], **call.fields}
        width, height = _check(body)
        with self.slot():
            order = self.accept(body, width, height)
            time.sleep(self.latency)
        said = _without_image(body["contents"][0]["parts"][0]["text"])
        return as_json(said or self._made(order))

    def busy(self) -> Refusal:
        """RESOURCE_EXHAUSTED."""
        return error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")

    def wrong_key(self) -> Refusal:
        """API_KEY_INVALID, which is a bad request; it quotes the key, as careless servers do."""
        reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        return error(400, "INVALID_ARGUMENT", f"API key not valid: {self.key}", details=[reason])

    def _made(self, order: Submission) -> dict[str, Any]:
        picture = base64.b64encode(self.image_of(order)).decode()
        draft = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}
        drawn = {"inlineData": {"mimeType": f"image/{self.format_of(order)}", "data": picture}}
        used = _tokens(order.body)
        counts = {"promptTokenCount": used["read"], "candidatesTokenCount": used["drawn"]}
        details = [{"modality": "IMAGE", "tokenCount": used["drawn"]}]
        usage = {**counts, "thoughtsTokenCount": THOUGHTS, "candidatesTokensDetails": details}
        content = {"role": "model", "parts": [draft, {"text": "好的"}, drawn]}
        return {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}


def _tokens(body: dict[str, Any]) -> dict[str, int]:
    parts = body["contents"][0]["parts"]
    size = body["generationConfig"]["imageConfig"].get("imageSize", "1K")
    drawn = _MODELS[body["model"]][2][size]
    return {"read": len(parts[0]["text"]) + TOKENS_OF_A_PICTURE * (len(parts) - 1), "drawn": drawn}


def _check(body: dict[str, Any]) -> tuple[int, int]:
    if body.keys() != {"model", "contents", "generationConfig"} or len(body["contents"]) != 1:
        raise error(400, "INVALID_ARGUMENT", "unknown field")
    message, wanted = body["contents"][0], body["generationConfig"]
    if message.keys() != {"role", "parts"} or message["role"] != "user":
        raise error(400, "INVALID_ARGUMENT", "contents")
    if wanted.keys() - {"responseModalities", "imageConfig", "thinkingConfig"}:
        raise error(400, "INVALID_ARGUMENT", "generationConfig")  # as the fields of Vertex are
    if wanted["responseModalities"] not in (["TEXT", "IMAGE"], ["IMAGE"]):
        raise error(400, "INVALID_ARGUMENT", "responseModalities")
    _check_parts(body["model"], message["parts"])
    return _check_size(body["model"], wanted["imageConfig"])


def _check_parts(model: str, parts: list[dict[str, Any]]) -> None:
    if parts[0].keys() != {"text"} or not parts[0]["text"] or len(parts) - 1 > _MODELS[model][1]:
        raise error(400, "INVALID_ARGUMENT", "parts")
    for part in parts[1:]:
        data = part.get("inlineData", {})
        try:
            content = base64.b64decode(data["data"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise error(400, "INVALID_ARGUMENT", "inlineData") from None
        if data.keys() != {"mimeType", "data"} or not re.fullmatch("image/(jpeg|png|webp)", data["mimeType"]):
            raise error(400, "INVALID_ARGUMENT", "mimeType")
        if len(content) > 7_000_000:
            raise error(400, "INVALID_ARGUMENT", "too large")
    for word, refusal in _BY_WORD.items():
        if word in parts[0]["text"]:
            raise refusal()


def _check_size(model: str, wanted: dict[str, Any]) -> tuple[int, int]:
    ratios, _, sizes, *_ = _MODELS[model]
    takes_size = len(sizes) > 1
    if wanted.keys() - {"aspectRatio", *(("imageSize",) if takes_size else ())}:
        raise error(400, "INVALID_ARGUMENT", "imageConfig")
    ratio, size = wanted.get("aspectRatio", "1:1"), wanted.get("imageSize", "1K")
    if ratio not in ratios or size not in sizes:
        raise error(400, "INVALID_ARGUMENT", "aspectRatio or imageSize")
    across, down = map(int, ratio.split(":"))
    long = _LONG_SIDES[size] * 21 // 16 // 8 * 8 if across != down else _LONG_SIDES[size]
    short = long * min(across, down) // max(across, down) // 8 * 8
    return (long, short) if across >= down else (short, long)


def _without_image(prompt: str) -> dict[str, Any] | None:
    """The answer that has no image, which some prompts get."""
    if "违禁" in prompt:
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}}
    words = {"不画": "NO_IMAGE", "受限": "PUP_LIMITED_DISABLED", "像真人": "IMAGE_SAFETY", "闲聊": "STOP"}
    reason = next((reason for word, reason in words.items() if word in prompt), "")
    said = {"role": "model", "parts": [{"text": "我先说说想法。"}]}
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 0}
    found = {"candidates": [{"content": said, "finishReason": reason}], "usageMetadata": usage}
    return found if reason else None


def error(status: int, code: str, message: str, **more: Any) -> Refusal:
    """A refusal in Google's form."""
    return Refusal(status, {"error": {"code": status, "message": message, "status": code, **more}})


def _in_a_list() -> Refusal:
    """Google wraps some errors into a list."""
    refused = error(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")
    refused.reply.content = json.dumps([json.loads(refused.reply.content)]).encode()
    return refused


_BY_WORD: dict[str, Callable[[], Refusal]] = {
    "没钱": lambda: Refusal(429, {"error": {"code": "insufficient_user_quota", "message": "no balance"}}),
    "没开通": _in_a_list,
    "忙": lambda: error(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "崩": lambda: error(500, "INTERNAL", "An internal error has occurred."),
}


if __name__ == "__main__":
    run_standalone(FakeGemini)
