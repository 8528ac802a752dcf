"""Gemini's ``generateContent``, at Google or at a reseller: one call returns the image itself.

There is no task id, so a lost response cannot be fetched later. HTTP status 200 may come without an image:
one reseller bills that call as any other, what the others do is not known. It is never repeated here.

Sizes, references and prices belong to the model id. An unlisted id gets 1K, which every model makes when no
size is asked for. Google bills tokens in dollars; what a reseller bills is the price that is set.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from app.domain import (
    COMMON_RATIOS,
    MAX_PROMPT_LENGTH,
    RESOLUTIONS,
    GeneratedImage,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    ReferenceLimits,
)
from app.errors import Billed, ModelError, message
from app.providers.base import (
    KeyCheck,
    ModelSettings,
    Sleep,
    SubmitResult,
    prices,
    reported_usage,
    size_table,
    with_negative_prompt,
)
from app.providers.downloads import Downloads
from app.providers.error_rules import (
    REFUSED,
    ErrorRule,
    at_least_unknown,
    find_rule,
    outcome_unknown,
    parse_error,
    pausing,
    redacted,
    throttling,
    unrecognised,
)
from app.providers.http import Response, ServiceClient, decode_base64, parse_object, secrets_in
from app.providers.key_check import list_models
from app.setting import address, concurrency, key, model, price

LABEL = message("Gemini")
_GOOGLE = "generativelanguage.googleapis.com"
_BILLS_REFUSALS = ("laozhang.ai",)  # and only answers with HTTP status 200
_MOST_THROTTLED = 30  # calls in a row: a spending cap gives the same answer as too many calls
_REFERENCE_TOKENS = 1120
_TEN = (*COMMON_RATIOS, "4:5", "5:4", "21:9")
_FOURTEEN = (*_TEN, "1:4", "4:1", "1:8", "8:1")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """What a model id decides: ``tokens`` of an image by resolution, and dollars for a million tokens,
    ``image`` and ``text`` made, ``read`` of the request.
    """

    label: str
    tokens: tuple[int, ...] = (1120,)
    image: str = ""
    text: str = ""
    read: str = ""
    max_references: int = 4
    ratios: tuple[str, ...] = _TEN


_full = partial(_Family, max_references=14)
_current = partial(_full, ratios=_FOURTEEN)
_FAMILIES = {
    "gemini-nano-banana-2.1": _current(
        label="Gemini Nano Banana 2.1", tokens=(1120, 1680, 3780), image="30", text="7.5", read="1.5"
    ),
    "gemini-3-pro-image": _full(
        label="Gemini 3 Pro Image", tokens=(1120, 1120, 2000), image="120", text="12", read="2"
    ),
    # What its text costs is not published: never more than its images.
    "gemini-3.1-flash-lite-image": _Family(
        label="Gemini 3.1 Flash Lite Image", image="30", text="30", read="0.25"
    ),
}
_PUBLISHED = {("16:9", "1K"): (1376, 768), ("16:9", "2K"): (2752, 1536)}
# The limit on each image is not published: what all known services take, and a body of 20 MB.
_REFERENCE_LIMITS = ReferenceLimits(
    formats=("jpeg", "png", "webp"), max_bytes=7_000_000, max_side=8192, max_ratio=8, recompresses=True
)

_NOTES = {
    "negative_prompt": "Gemini 没有负面提示词这一项：会写成「画面中不要出现：…」加在提示词后面",
    "seed": "Gemini 不接受种子，每次结果都不同",
    "steps": "Gemini 不接受步数，由服务自己决定",
    "reference_strength": "Gemini 不接受参考强度，请在提示词里写参考到什么程度",
    "background": "Gemini 不能选背景，要透明背景请用 Seedream 5.5",
    "output_format": "Gemini 不能选格式，由服务自己决定",
    "quality": "Gemini 不分质量，请改分辨率",
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
_CAPPED = "Gemini 一连拒绝了很多次，可能到了花费上限，请到控制台查看后继续"
_ANY = ".*"
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
_FAILED_FREE = ErrorRule(_ANY, "Gemini 出了错误", "service", status=(500, 502, 503), retryable=True)
_FAILED = ErrorRule(
    _ANY,
    "Gemini 出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试",
    "service",
    billed=Billed.UNKNOWN,
)
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


class Gemini:
    """The provider ``gemini``; see ``base.Provider``."""

    latency: None = None

    def __init__(self, settings: GeminiSettings) -> None:
        address = settings.gemini_base_url.removesuffix("/v1beta")
        host = urlsplit(address).hostname or ""
        self._base = f"{address}/v1beta"
        self._key = settings.gemini_api_key
        self._secrets = (self._key, *secrets_in(address))
        self._headers = {"x-goog-api-key": self._key, "Content-Type": "application/json"}
        if host != _GOOGLE:  # resellers read the one or the other; Google takes no key as a bearer token
            self._headers["Authorization"] = f"Bearer {self._key}"
        self._bills_refusals = host.endswith(_BILLS_REFUSALS)
        self._errors = (*_ERRORS, *((_FAILED_FREE,) if self._bills_refusals else ()), _FAILED)
        self._client = ServiceClient(LABEL, address, timeout=settings.model_timeout)
        self._downloads = Downloads(LABEL, address, timeout=settings.model_timeout)
        self._family = _FAMILIES.get(settings.gemini_image_model)
        self._rate = settings.usd_cny if host == _GOOGLE else None
        self._throttled = 0  # calls in a row
        self.spec = _spec(settings, self._family, self._rate)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image and wait for it."""
        content = json.dumps(self._body(request, references), ensure_ascii=False).encode()
        url = f"{self._base}/models/{self.spec.model_id}:generateContent"
        return self._read(self._client.post_once(url, headers=self._headers, content=content))

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Raise ModelError: there are no task ids."""
        raise ModelError("这个服务的图片不能取回，请重新生成", cause="expired", billed=Billed.UNKNOWN)

    def check_key(self) -> KeyCheck:
        """Check the key by listing the models."""
        variables, model = ("GEMINI_API_KEY", "GEMINI_BASE_URL"), self.spec.model_id
        return list_models(
            LABEL, self._base, self._key, model=model, variables=variables, headers=self._headers
        )

    def _body(self, request: ImageRequest, references: Sequence[Reference]) -> dict[str, Any]:
        parts: list[dict[str, Any]] = [
            {"text": with_negative_prompt(request.prompt, request.negative_prompt)}
        ]
        for reference in references:
            data = base64.b64encode(self._downloads.reference(reference)).decode()
            parts.append({"inlineData": {"mimeType": reference.media_type.lower(), "data": data}})
        image = {"aspectRatio": request.aspect_ratio}
        if self._family and len(self._family.tokens) > 1:  # others refuse the field
            image["imageSize"] = request.resolution
        wanted = {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": image}
        return {"contents": [{"role": "user", "parts": parts}], "generationConfig": wanted}

    def _read(self, answer: Response) -> SubmitResult:
        """Return the last image that is no draft of its thinking. Raises ModelError."""
        fields = _fields(answer)
        candidate = next(_objects(fields.get("candidates")), {})
        content = candidate.get("content")
        parts = list(_objects(content.get("parts") if isinstance(content, dict) else None))
        drawn = (part.get("inlineData") for part in reversed(parts) if not part.get("thought"))
        images = (decode_base64(each.get("data")) for each in drawn if isinstance(each, dict))
        if image := next(filter(None, images), None):  # whatever error stands beside it
            self._throttled = 0
            usage = _usage(fields.get("usageMetadata"))
            cost = self._cost(usage)
            return SubmitResult(image=GeneratedImage(content=image), usage=usage, cost=cost)
        feedback = fields.get("promptFeedback")
        blocked = feedback.get("blockReason") if isinstance(feedback, dict) else None
        if answer.status == 200 and (candidate or blocked):
            said = " ".join(str(part["text"]) for part in parts if part.get("text"))
            code = f"blocked {blocked}" if blocked else candidate.get("finishReason") or "no image"
            raise self._without_image(redacted(code), redacted(said, *self._secrets))
        if answer.status == 200 and not fields.get("error"):
            raise outcome_unknown(LABEL, message("答复里没有图片"))
        raise at_least_unknown(self._error(answer), answer.status)

    def _without_image(self, code: str, said: str) -> ModelError:
        rule = find_rule(_WITHOUT_IMAGE, 200, code)
        assert rule
        problem = rule.error(code, said)
        if not self._bills_refusals:
            return at_least_unknown(problem, 200)
        return ModelError(
            "{problem}；没有图片的答复这家也计费",
            problem=problem.message,
            cause=problem.cause,
            billed=Billed.YES,
            pauses_batch=problem.pauses_batch,
        )

    def _error(self, answer: Response) -> ModelError:
        fields = _fields(answer)
        error = fields.get("error")
        about = error if isinstance(error, dict) else {}
        reasons = (each.get("reason") for each in _objects(about.get("details")))
        code, detail = parse_error(fields)
        code = str(next(filter(None, reasons), None) or about.get("status") or code)
        rule = find_rule(self._errors, answer.status, code) if code or detail else None
        if rule is None:
            return unrecognised(LABEL, answer.status)
        self._throttled = self._throttled + 1 if rule.throttled else 0
        if self._throttled > _MOST_THROTTLED:
            self._throttled, rule = 0, pausing(_ANY, _CAPPED, "limit", quotes=True)
        return rule.error(redacted(code, *self._secrets), redacted(detail, *self._secrets))

    def _cost(self, usage: Mapping[str, int]) -> Decimal | None:
        """CNY of an answer, by its tokens; None where others are billed, or the rate is unknown."""
        if not (self._rate and self._family and usage.get("imageTokenCount")):
            return None
        drawn = usage["imageTokenCount"]
        texts = usage.get("candidatesTokenCount", drawn) - drawn + usage.get("thoughtsTokenCount", 0)
        read = usage.get("promptTokenCount", 0) * Decimal(self._family.read)
        dollars = read + drawn * Decimal(self._family.image) + max(texts, 0) * Decimal(self._family.text)
        return dollars * self._rate / 1_000_000


def other_models(settings: GeminiSettings) -> list[str]:
    """The ids of the other models that the same key is good for."""
    return [model for model in _FAMILIES if model != settings.gemini_image_model]


def _fields(answer: Response) -> dict[str, Any]:
    """The answer as an object; Google puts some errors into a list of one."""
    return parse_object(answer.content.strip().removeprefix(b"[").removesuffix(b"]"))


def _objects(found: Any) -> Iterator[dict[str, Any]]:
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())


def _usage(found: Any) -> dict[str, int]:
    """The reported tokens, with those of the image as ``imageTokenCount``."""
    usage = reported_usage(found)
    details = _objects(found.get("candidatesTokensDetails")) if isinstance(found, dict) else ()
    tokens = [each.get("tokenCount") for each in details if each.get("modality") == "IMAGE"]
    return usage | reported_usage({"imageTokenCount": next(iter(tokens), None)})


def _spec(settings: GeminiSettings, family: _Family | None, rate: Decimal | None) -> ModelSpec:
    model = settings.gemini_image_model
    known = family or _Family(label=model)
    about = _SETUP.about if urlsplit(settings.gemini_base_url).hostname == _GOOGLE else _ABOUT_RESELLER
    listed: tuple[Decimal, ...] = ()
    extra = Decimal(0)
    if rate and family and settings.price_per_image is None:
        listed = tuple(tokens * Decimal(known.image) * rate / 1_000_000 for tokens in known.tokens)
        extra = _REFERENCE_TOKENS * Decimal(known.read) * rate / 1_000_000
    return ModelSpec(
        name="gemini",
        label=known.label,
        model_id=model,
        sizes=size_table(_PUBLISHED, resolutions=RESOLUTIONS[: len(known.tokens)], ratios=known.ratios),
        prompt_limit=MAX_PROMPT_LENGTH,
        max_references=known.max_references,
        reference_form="bytes",
        reference_limits=_REFERENCE_LIMITS,
        max_reference_bytes=2 * _REFERENCE_LIMITS.max_bytes,
        prices=prices(settings.price_per_image, *listed),
        price_extra_reference=extra,
        included_references=0,
        setup=replace(_SETUP, about=about if family else _ABOUT_UNKNOWN),
        field_notes=_NOTES,
    )
