"""Any server that implements OpenAI's images API: generations, and edits when there are references.

response                                 billed                      next step
data[0].url                              yes                         saved as the task id, then fetched
data[0].b64_json                         yes                         the image itself
moderation_blocked and similar           no                          final
401–404, quota or billing codes          no                          pauses the batch
429                                      no                          retried, slower
other 4xx                                no                          final; see http.was_refused
5xx with an error in the body            unknown; no when the price  never retried automatically
                                         is set to 0
5xx or 200 without image or error        unknown                     never retried automatically
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from app.config import Settings
from app.domain import MAX_PROMPT_LENGTH, GeneratedImage, ImageRequest, ModelSetup, ModelSpec, Reference
from app.errors import Billed, ModelError
from app.providers.base import KeyCheck, Sleep, SubmitResult, prices, size_table, with_negative_prompt
from app.providers.downloads import Downloads
from app.providers.http import (
    Response,
    ServiceClient,
    parse_error,
    parse_image,
    redacted,
    too_many_calls,
    unrecognised,
    was_refused,
)
from app.providers.key_check import listed_models

LABEL = "图片服务"
MAXIMUM_AREA = 3840 * 2160  # keeps the longest side within 3840 for every ratio offered

_NOTES = {
    "negative_prompt": "这个接口没有负面提示词这一项：会写成「画面中不要出现：…」加在提示词后面",
    "seed": "这个接口不接受种子，每次结果都不同",
    "steps": "这个接口不接受步数，由服务自己决定",
}
_MODERATION = ("moderation_blocked", "image_generation_user_error", "content_policy_violation")
_EMPTY_ACCOUNT = ("quota", "billing")  # substrings of a code: insufficient_quota, billing_hard_limit_reached

_SETUP = ModelSetup(
    title="OpenAI 及兼容服务",
    about="任何兼容 /v1/images/generations 的服务，包括本机的。",
    variables={
        "OPENAI_BASE_URL": "https://api.openai.com/v1",
        "OPENAI_API_KEY": "你的 API Key",
        "OPENAI_IMAGE_MODEL": "gpt-image-2",
    },
)


class OpenAIImages:
    """The provider ``openai``; see ``base.Provider``."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.openai_base_url
        self._key = settings.openai_api_key
        self._model = settings.openai_image_model
        self._line = ServiceClient(LABEL, settings.openai_base_url, timeout=settings.model_timeout)
        self._downloads = Downloads(LABEL, settings.openai_base_url, timeout=settings.model_timeout)
        self.spec = _spec(settings)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image; returns the image itself, or its URL as the task id."""
        fields = self._fields(request)
        if references:
            path, content, kind = "edits", *self._form(fields, references)
        else:
            path, content, kind = (
                "generations",
                json.dumps(fields, ensure_ascii=False).encode(),
                "application/json",
            )
        headers = {"Content-Type": kind}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        answer = self._line.post_once(f"{self._base}/images/{path}", headers=headers, content=content)
        return self._read(answer)

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Download the image from the URL that submit returned."""
        return GeneratedImage(content=self._downloads.fetch_with_retries(task_id, sleep))

    def check_key(self) -> KeyCheck:
        """Check the key by listing the models."""
        names = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
        return listed_models(LABEL, self._base, self._key, model=self._model, settings=names)

    def _fields(self, request: ImageRequest) -> dict[str, Any]:
        """Return the fields of both calls. Only DALL-E models accept ``response_format``."""
        fields = {
            "model": self._model,
            "prompt": with_negative_prompt(request.prompt, request.negative_prompt),
            "n": 1,
            "size": str(self.spec.size(request)),
        }
        if self._model.startswith("dall-e"):
            fields["response_format"] = "b64_json"
        return fields

    def _form(self, fields: Mapping[str, Any], references: Sequence[Reference]) -> tuple[bytes, str]:
        name = "image" if len(references) == 1 else "image[]"
        parts: list[tuple[str, Any]] = [(key, str(value)) for key, value in fields.items()]
        for number, reference in enumerate(references, 1):
            ending = reference.media_type.rpartition("/")[2]
            content = self._downloads.reference(reference)
            parts.append((name, (f"reference_{number}.{ending}", content, reference.media_type)))
        return encode_multipart_formdata(parts)

    def _read(self, answer: Response) -> SubmitResult:
        fields = answer.fields
        if answer.status != 200 or fields.get("error"):
            raise self._problem(answer)
        found = fields.get("data")
        first = found[0] if isinstance(found, list) and found else None
        if not isinstance(first, dict):
            raise unrecognised(LABEL, answer)
        return parse_image(LABEL, first, base=f"{self._base}/")

    def _problem(self, answer: Response) -> ModelError:
        code, words = parse_error(answer.fields)
        if not code and not words:
            return unrecognised(LABEL, answer)
        code, words = redacted(code, self._key), redacted(words, self._key)
        return _error_for(answer.status, code, words, free=self.spec.costs_nothing)


def _error_for(status: int, code: str, words: str, *, free: bool) -> ModelError:
    """Return the ModelError for an error of the server; ``free`` when images are known to be free."""
    shown = code or f"HTTP {status}"
    if status == 402 or any(word in code.lower() for word in _EMPTY_ACCOUNT):
        text = "图片服务的账户没有额度了，请充值后继续"
        return _refused(text, shown, cause="key", pauses_batch=True)
    if status == 429:
        return too_many_calls(LABEL, shown)
    if code in _MODERATION:
        return _refused("提示词或参考图没有通过审核，请修改后再试", shown, cause="moderation")
    if status in (401, 403):
        text = "图片服务不接受这个密钥，请检查 OPENAI_API_KEY 和权限"
        return _refused(text, shown, cause="key", pauses_batch=True)
    if status in (404, 405):
        text = "图片服务没有这个模型或接口，请检查 OPENAI_BASE_URL 和 OPENAI_IMAGE_MODEL"
        return _refused(text, shown, cause="request", pauses_batch=True)
    if was_refused(status):
        return _refused(f"图片服务没有接受这个请求，请修改提示词或参数：{words}", shown, cause="request")
    if free:
        return _refused(f"图片服务出了错误，请看它的日志或再试一次：{words}", shown, cause="service")
    text = "图片服务出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试"
    return ModelError(f"{text}（{shown}）", cause="service", billed=Billed.UNKNOWN)


def _refused(text: str, code: str, *, cause: str, pauses_batch: bool = False) -> ModelError:
    return ModelError(f"{text}（{code}）", cause=cause, billed=Billed.NO, pauses_batch=pauses_batch)


def _spec(settings: Settings) -> ModelSpec:
    return ModelSpec(
        name="openai",
        label=settings.openai_image_model,
        model_id=settings.openai_image_model,
        sizes=size_table({}, maximum=MAXIMUM_AREA, multiple_of=16),
        prompt_limit=MAX_PROMPT_LENGTH,
        max_references=16,
        reference_form="bytes",
        negative_prompt="folded",
        takes_seed=False,
        takes_steps=False,
        prices=prices(settings.price_per_image),
        setup=_SETUP,
        field_notes=_NOTES,
    )
