"""Gemini's ``generateContent``, at Google or at a reseller: one call returns the image itself.

There is no task id, so a lost response cannot be fetched later. HTTP status 200 may come without an image:
one reseller bills that call as any other, what the others do is not known. It is never repeated here.

Sizes, references and prices belong to the model id. An unlisted id gets 1K, which every model makes when no
size is asked for. Google bills tokens in dollars; what a reseller bills is the price that is set.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from app.domain import RESOLUTIONS, ImageRequest, ModelSetup, Reference, ReferenceLimits
from app.errors import Billed, ModelError, message
from app.providers import kit
from app.providers.base import ModelSettings, SubmitResult
from app.providers.error_rules import REFUSED, ErrorRule, failed, parse_error, pausing, throttling
from app.providers.http import Response, parse_object
from app.providers.token_costs import FOURTEEN_RATIOS, GeminiFamily, gemini_usage
from app.setting import address, concurrency, key, model, price

LABEL = message("Gemini")
_GOOGLE = "generativelanguage.googleapis.com"
_BILLS_REFUSALS = ("laozhang.ai",)  # and only answers with HTTP status 200
_MOST_THROTTLED = 30  # calls in a row: a spending cap gives the same answer as too many calls
_PUBLISHED = {("16:9", "1K"): (1376, 768), ("16:9", "2K"): (2752, 1536)}
# The limit on each image is not published: what all known services take, and a body of 20 MB.
_REFERENCE_LIMITS = ReferenceLimits(
    formats=("jpeg", "png", "webp"), max_bytes=7_000_000, max_side=8192, max_ratio=8, recompresses=True
)


_any = partial(
    GeminiFamily,
    max_references=4,
    reference_form="bytes",
    reference_limits=_REFERENCE_LIMITS,
    max_reference_bytes=2 * _REFERENCE_LIMITS.max_bytes,
    included_references=0,
)
_full = partial(_any, max_references=14)
MODELS = {
    "gemini-nano-banana-2.1": _full(
        label="Gemini Nano Banana 2.1",
        tokens=(1120, 1680, 3780),
        ratios=FOURTEEN_RATIOS,
        image="30",
        text="7.5",
        read="1.5",
    ),
    "gemini-3-pro-image": _full(
        label="Gemini 3 Pro Image", tokens=(1120, 1120, 2000), image="120", text="12", read="2"
    ),
    # What its text costs is not published: never more than its images.
    "gemini-3.1-flash-lite-image": _any(
        label="Gemini 3.1 Flash Lite Image", image="30", text="30", read="0.25"
    ),
}


@dataclass(frozen=True, kw_only=True)
class GeminiSettings(ModelSettings):
    """The settings of Gemini."""

    gemini_api_key: str = key(example="你的 API Key", needed=True)
    gemini_image_model: str = model("gemini-nano-banana-2.1", example="gemini-nano-banana-2.1")
    gemini_price: Decimal | None = price()
    gemini_concurrency: int | None = concurrency()
    gemini_base_url: str = address("https://generativelanguage.googleapis.com")


_SETUP = ModelSetup(
    title="Gemini",
    about="Google 的图片模型，也可以用转售商的地址。Google 按用量收美元：填了「1 美元合多少元」，就先按图片"
    "和参考图估；文字和思考另算，账上以它报的用量为准。",
    keys_at="https://aistudio.google.com/apikey",
    keys_from="取密钥：Google AI Studio",
)
_ABOUT_RESELLER = "不是 Google 的地址：请填它每张的价格。没有图片的答复，有的转售商照样计费，不会自动再试。"
_ABOUT_UNKNOWN = "不认识这个模型编号，只提供 1K。单价请到控制台查看，填在「模型与密钥」里。"

_WRONG_KEY = "Gemini 不接受这个密钥，请检查 GEMINI_API_KEY 和权限"
_NO_CREDIT = "Gemini 的账户没有额度了，请充值后继续"
_ANY = ".*"
_CAPPED = pausing(
    _ANY, "Gemini 一连拒绝了很多次，可能到了花费上限，请到控制台查看后继续", "limit", quotes=True
)
_ERRORS = (
    pausing("(?i).*(quota|balance|billing).*", _NO_CREDIT, "key", quotes=True),
    pausing(_ANY, _NO_CREDIT, "key", status=(402,)),
    pausing("API_KEY_.+", _WRONG_KEY, "key"),  # with HTTP status 400
    pausing(
        "FAILED_PRECONDITION", "没有开通付费，或这个地区不能用，请到控制台查看后继续", "key", quotes=True
    ),
    throttling(LABEL, "RESOURCE_EXHAUSTED"),
    throttling(LABEL, status=(429,)),
    throttling(LABEL, "UNAVAILABLE", status=(503,)),  # overloaded: the call was not taken
    pausing(_ANY, _WRONG_KEY, "key", status=(401, 403)),
    pausing(
        _ANY, "没有这个模型或接口，请检查 GEMINI_IMAGE_MODEL 和 GEMINI_BASE_URL", "request", status=(404, 405)
    ),
    ErrorRule(_ANY, "Gemini 没有接受这个请求，请修改提示词或参数", "request", status=REFUSED, quotes=True),
)
_FAILED = failed(_ANY, "Gemini 出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试")
_FAILED_FREE = ErrorRule(_ANY, "Gemini 出了错误", "service", status=(500, 502, 503), retryable=True)
# By ``blockReason``, after "blocked", or ``finishReason`` of an answer without an image.
_WITHOUT_IMAGE = (
    ErrorRule(
        "blocked .*|(IMAGE_)?(SAFETY|PROHIBITED_CONTENT|RECITATION)|BLOCKLIST|SPII",
        "提示词、参考图或生成的图片没有通过审核，请修改后再试",
        "moderation",
        quotes=True,
    ),
    pausing("PUP_LIMITED_DISABLED", "Google 限制了这个账号，请到控制台查看后继续", "key", quotes=True),
    ErrorRule(_ANY, "Gemini 没有画图，请改提示词，例如在末尾写「只输出图片」", "request", quotes=True),
)


class Gemini(kit.Service):
    """The provider ``gemini``; see ``base.Provider``."""

    label, without_task = LABEL, True
    variables, listed_as = ("GEMINI_API_KEY", "GEMINI_BASE_URL"), "models"

    def __init__(self, settings: GeminiSettings) -> None:
        address = settings.gemini_base_url.removesuffix("/v1beta")
        super().__init__(settings, address, settings.gemini_api_key, "/v1beta")
        host, model_id = urlsplit(address).hostname or "", settings.gemini_image_model
        self._headers["x-goog-api-key"] = self._key
        if host == _GOOGLE:  # resellers read the one or the other; Google takes no key as a bearer token
            self._headers.pop("Authorization", None)
        self._bills_refusals = host.endswith(_BILLS_REFUSALS)
        self.errors = (*_ERRORS, *((_FAILED_FREE,) if self._bills_refusals else ()), _FAILED)
        self._family = MODELS.get(model_id) or _any(label=model_id)
        self._rate = settings.usd_cny if host == _GOOGLE else None
        self._throttled = 0  # calls in a row
        about = _SETUP.about if host == _GOOGLE else _ABOUT_RESELLER
        setup = replace(_SETUP, about=about if model_id in MODELS else _ABOUT_UNKNOWN)
        tiers = RESOLUTIONS[: len(self._family.tokens)]
        sizes = kit.size_table(_PUBLISHED, resolutions=tiers, ratios=self._family.ratios)
        priced = self._family.priced(self._rate)
        self.spec = kit.spec_of("gemini", model_id, priced, settings, setup, sizes=sizes)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image and wait for it."""
        path = f"/models/{self.spec.model_id}:generateContent"
        return self._read(self._post(path, self._body(request, references)))

    def _body(self, request: ImageRequest, references: Sequence[Reference]) -> dict[str, Any]:
        parts: list[dict[str, Any]] = [
            {"text": kit.with_negative_prompt(request.prompt, request.negative_prompt)}
        ]
        for reference in references:
            data = base64.b64encode(self._downloads.reference(reference)).decode()
            parts.append({"inlineData": {"mimeType": reference.media_type.lower(), "data": data}})
        image = {"aspectRatio": request.aspect_ratio}
        if len(self._family.tokens) > 1:  # others refuse the field
            image["imageSize"] = request.resolution
        wanted = {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": image}
        return {"contents": [{"role": "user", "parts": parts}], "generationConfig": wanted}

    def _read(self, answer: Response) -> SubmitResult:
        """Return the last image that is no draft of its thinking. Raises ModelError."""
        fields = _fields(answer)
        parts = (part for part in reversed(_parts(fields)) if not part.get("thought"))
        images = (kit.made_image(self._base, None, kit.within(each, "inlineData", "data")) for each in parts)
        has_error = bool(fields.get("error") or _stopped(fields))
        result = self._first(answer, images, gemini_usage(fields.get("usageMetadata")), has_error=has_error)
        self._throttled = 0
        return replace(result, cost=self._family.cost(result.usage, self._rate))

    def _error(self, answer: Response) -> ModelError:
        fields = _fields(answer)
        if answer.status == 200 and (code := _stopped(fields)):
            words = " ".join(str(part["text"]) for part in _parts(fields) if part.get("text"))
            return self._without_image(code, words)
        reasons = (each.get("reason") for each in kit.objects(fields, "error", "details"))
        code, detail = parse_error(fields)
        code = str(next(filter(None, reasons), None) or kit.within(fields, "error", "status") or code)
        problem = self._error_of(answer.status, code, detail)
        if code or detail:
            self._throttled = self._throttled + 1 if problem.throttled else 0
        if self._throttled > _MOST_THROTTLED:
            self._throttled = 0
            return self._error_of(answer.status, code, detail, (_CAPPED,))
        return problem

    def _without_image(self, code: str, words: str) -> ModelError:
        problem = self._error_of(200, code, words, _WITHOUT_IMAGE)
        if not self._bills_refusals:
            return problem
        return ModelError(
            "{problem}；没有图片的答复这家也计费",
            problem=problem.message,
            cause=problem.cause,
            billed=Billed.YES,
            pauses_batch=problem.pauses_batch,
        )


def _fields(answer: Response) -> dict[str, Any]:
    """The answer as an object; Google puts some errors into a list of one."""
    return parse_object(answer.content.strip().removeprefix(b"[").removesuffix(b"]"))


def _parts(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of the first candidate."""
    return kit.objects(next(iter(kit.objects(fields, "candidates")), None), "content", "parts")


def _stopped(fields: Mapping[str, Any]) -> str:
    """Why there is no image, where the answer is no error; else empty."""
    candidate = next(iter(kit.objects(fields, "candidates")), {})
    if blocked := kit.within(fields, "promptFeedback", "blockReason"):
        return f"blocked {blocked}"
    return str(candidate.get("finishReason") or "no image") if candidate else ""
