"""Any server that implements OpenAI's images API: generations, and edits when there are references.

An image URL is saved as the task id, then fetched; a base64 image is the result itself. A response with
neither an image nor an error leaves it unknown whether an image was charged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

from app.domain import (
    COMMON_RATIOS,
    MAX_PROMPT_LENGTH,
    RESOLUTIONS,
    USUAL_RATIOS,
    GeneratedImage,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    Retirement,
    SizeRule,
    TokenPrices,
)
from app.errors import Billed, Message, ModelError, message
from app.providers.base import (
    KeyCheck,
    ModelSettings,
    Sleep,
    SubmitResult,
    made_image,
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
from app.providers.http import Response, ServiceClient, secrets_in
from app.providers.key_check import list_models
from app.providers.openai_edits import MAXIMUM_AREA, RULES, form_of
from app.providers.openai_tokens import cost_of, price_of_reference, price_of_token
from app.setting import address, concurrency, key, model, price

LABEL = message("图片服务")
_SIZES = SizeRule(
    min_side=480, max_side=3840, min_area=655_360, max_area=MAXIMUM_AREA, max_ratio=3, multiple_of=16
)
_OWN_HOST = "api.openai.com"
_SUCCESSOR = "gpt-image-2.6-sunburst"
_USUAL_QUALITY = "medium"  # without one the service chooses, up to the dearest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """Properties shared by models of OpenAI; ``ended_on``: when OpenAI ended or ends them.

    ``units`` of the longer side by quality, from which the tokens of an image follow; ``is_bound``: they are
    not published, and these are the most that was seen.
    """

    ids: tuple[str, ...]
    max_references: int = 16
    ended_on: date | None = None
    units: Mapping[str, int] = field(default_factory=dict)
    is_bound: bool = False

    @property
    def options(self) -> dict[str, Sequence[str]]:
        """What its models take."""
        return _OPTIONS | {"quality": tuple(self.units)} if self.units else {}


_OPTIONS: dict[str, Sequence[str]] = {
    "background": ("transparent", "opaque"),
    "output_format": ("png", "jpeg", "webp"),
}
_2 = {"low": 16, "medium": 48, "high": 96}
_2_5 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
_2_6 = _2_5 | {"low": 48, "medium": 48}  # its low was seen to be 4.2 times that of 2.5
_2_5_SUNBURST = ("gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08")
_2_5_FLARE = ("gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08")
_FAMILIES = (
    _Family(ids=("gpt-image-2.6-sunburst", "gpt-image-2.6-flare"), units=_2_6, is_bound=True),
    _Family(ids=(*_2_5_SUNBURST, *_2_5_FLARE), units=_2_5),
    _Family(ids=("gpt-image-2", "gpt-image-2-2026-04-21"), units=_2),
    _Family(ids=("gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"), ended_on=date(2026, 12, 1)),
    _Family(ids=("gpt-image-1",), ended_on=date(2026, 10, 23)),
    _Family(ids=("dall-e-2", "dall-e-3"), max_references=4, ended_on=date(2026, 5, 12)),
)
_BY_ID = {model: family for family in _FAMILIES for model in family.ids}
# What is known of any other model behind the same API: four references.
_UNLISTED = _Family(ids=(), max_references=4)

_NOTES = {
    "negative_prompt": "这个接口没有负面提示词这一项：会写成「画面中不要出现：…」加在提示词后面",
    "seed": "这个接口不接受种子，每次结果都不同",
    "steps": "这个接口不接受步数，由服务自己决定",
    "reference_strength": "这个接口不接受参考强度，请在提示词里写参考到什么程度",
}
_ABOUT_OWN = (
    "OpenAI 按用量收美元：填了「1 美元合多少元」，就先按尺寸、质量和参考图估；"
    "提示词另算，账上以它报的用量为准。质量不填时是 medium。"
)
_ABOUT_BOUND = (
    "OpenAI 按用量收美元，2.6 的用量没有公布：填了「1 美元合多少元」，估的是上限，"
    "账上以它报的用量为准。质量不填时是 medium。"
)
_NO_OPTIONS = "不知道这个模型接受什么，没有发送"


@dataclass(frozen=True, kw_only=True)
class OpenAISettings(ModelSettings):
    """The settings of OpenAI and of compatible services; one of this computer may need no key."""

    openai_base_url: str = address(
        "https://api.openai.com/v1", example="https://api.openai.com/v1", needed=True
    )
    openai_api_key: str = key(example="你的 API Key", needed="OPENAI_BASE_URL")
    openai_image_model: str = model("gpt-image-2", example="gpt-image-2", needed=True)
    openai_price: Decimal | None = price()
    openai_concurrency: int | None = concurrency()


_SETUP = ModelSetup(
    title="OpenAI 及兼容服务",
    about="任何兼容 /v1/images/generations 的服务，包括本机的。",
)

_ANY = ".*"
_NO_CREDIT = "图片服务的账户没有额度了，请充值后继续"
_ERRORS = (
    pausing(r"(?i).*(quota|billing).*", _NO_CREDIT, "key"),
    pausing(_ANY, _NO_CREDIT, "key", status=(402,)),
    throttling(LABEL, status=(429,)),
    ErrorRule(
        "moderation_blocked|image_generation_user_error|content_policy_violation",
        "提示词或参考图没有通过审核，请修改后再试",
        "moderation",
    ),
    pausing(_ANY, "图片服务不接受这个密钥，请检查 OPENAI_API_KEY 和权限", "key", status=(401, 403)),
    pausing(
        _ANY,
        "图片服务没有这个模型或接口，请检查 OPENAI_BASE_URL 和 OPENAI_IMAGE_MODEL",
        "request",
        status=(404, 405),
    ),
    ErrorRule(_ANY, "图片服务没有接受这个请求，请修改提示词或参数", "request", status=REFUSED, quotes=True),
)
_FAILED_FREE = ErrorRule(_ANY, "图片服务出了错误，请看它的日志或再试一次", "service", quotes=True)
_FAILED = ErrorRule(
    _ANY,
    "图片服务出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试",
    "service",
    billed=Billed.UNKNOWN,
)


class ImagesApi:
    """OpenAI's images API at one URL; base class of the providers whose service implements it."""

    label: ClassVar[Message]
    variables: ClassVar[tuple[str, str]]  # of the key and of the URL, for the answers of ``check_key``
    spec: ModelSpec
    latency: None = None

    def __init__(
        self, base: str, key: str, model: str, *, timeout: float, errors: Iterable[ErrorRule]
    ) -> None:
        self._base = base
        self._key = key
        self._secrets = (key, *secrets_in(base))
        self._model = model
        self._errors = tuple(errors)
        self._client = ServiceClient(self.label, base, timeout=timeout)
        self._downloads = Downloads(self.label, base, timeout=timeout)

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Download the image from the URL that submit returned."""
        return GeneratedImage(content=self._downloads.fetch_with_retries(task_id, sleep))

    def check_key(self) -> KeyCheck:
        """Check the key by listing the models."""
        return list_models(self.label, self._base, self._key, model=self._model, variables=self.variables)

    def _post(self, path: str, content: bytes, content_type: str) -> SubmitResult:
        headers = {"Content-Type": content_type}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        url = f"{self._base}/images/{path}"
        return self._read(self._client.post_once(url, headers=headers, content=content))

    def _generate(self, body: Mapping[str, Any]) -> SubmitResult:
        content = json.dumps(body, ensure_ascii=False).encode()
        return self._post("generations", content, "application/json")

    def _read(self, answer: Response) -> SubmitResult:
        """Return the first image: its URL as the task id, or its content. Raises ModelError."""
        fields = answer.fields
        found = fields.get("data")
        entries = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        made = (made_image(self._base, each.get("url"), each.get("b64_json")) for each in entries)
        usage = reported_usage(fields.get("usage"))
        if image := next(filter(None, made), None):  # whatever error stands beside it
            return replace(image, usage=usage)
        failed = next((each for each in (fields, *entries) if each.get("error")), None)
        if failed is None and answer.status == 200 and entries:
            raise outcome_unknown(self.label, message("答复里没有图片"))
        problem = self._error(answer.status, failed or fields)
        raise problem if self.spec.costs_nothing else at_least_unknown(problem, answer.status, usage)

    def _error(self, status: int, fields: Mapping[str, Any]) -> ModelError:
        code, detail = (redacted(each, *self._secrets) for each in parse_error(fields))
        rule = find_rule(self._errors, status, code) if code or detail else None
        return rule.error(code or f"HTTP {status}", detail) if rule else unrecognised(self.label, status)


class OpenAIImages(ImagesApi):
    """The provider ``openai``; see ``base.Provider``."""

    label = LABEL
    variables = ("OPENAI_API_KEY", "OPENAI_BASE_URL")

    def __init__(self, settings: OpenAISettings) -> None:
        self.spec = _spec(settings)
        self._rate = _rate(settings)
        super().__init__(
            settings.openai_base_url,
            settings.openai_api_key,
            settings.openai_image_model,
            timeout=settings.model_timeout,
            errors=(*_ERRORS, _FAILED_FREE if self.spec.costs_nothing else _FAILED),
        )

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image; returns the image itself, or its URL as the task id."""
        request = self.spec.strip_unsupported(request)
        fields = {
            "model": self._model,
            "prompt": with_negative_prompt(request.prompt, request.negative_prompt),
            "n": 1,
            "size": str(self.spec.size(request)),
            **({"quality": _USUAL_QUALITY} if "quality" in self.spec.options else {}),
            **_options(request),
        }
        if self._model.startswith("dall-e"):  # the only models that accept it
            fields["response_format"] = "b64_json"
        if references:
            form = form_of(fields, references, self._downloads, has_mask=request.edit is not None)
            return self._post("edits", *form)
        return self._generate(fields)

    def _read(self, answer: Response) -> SubmitResult:
        """As the parent, with what the call cost. Raises ModelError."""
        result = super()._read(answer)
        cost = cost_of(answer.fields.get("usage"), self._rate) if self._rate else None
        return replace(result, cost=cost)


def _options(request: ImageRequest) -> dict[str, Any]:
    """The options that are set; a transparent background without a format is a PNG."""
    default = {"output_format": "png"} if request.background == "transparent" else {}
    return default | request.options


def _is_own(settings: OpenAISettings) -> bool:
    return urlsplit(settings.openai_base_url).hostname == _OWN_HOST


def _rate(settings: OpenAISettings) -> Decimal | None:
    """CNY for a dollar where OpenAI bills the tokens; None elsewhere, or where it is not known."""
    is_billed = _is_own(settings) and _BY_ID.get(settings.openai_image_model, _UNLISTED).units
    return settings.usd_cny if is_billed else None


def _spec(settings: OpenAISettings) -> ModelSpec:
    model = settings.openai_image_model
    family = _BY_ID.get(model, _UNLISTED)
    ends = family.ended_on if _is_own(settings) else None
    sizes = size_table({}, _SIZES, ratios=USUAL_RATIOS if family.units else COMMON_RATIOS)
    rate = _rate(settings) if settings.price_per_image is None else None
    by_quality = None
    if rate:
        each = price_of_token(rate, is_bound=family.is_bound)
        by_quality = TokenPrices(units=family.units, usual=_USUAL_QUALITY, each=each)
    tiers = [by_quality.of(sizes["1:1", tier])[""] for tier in RESOLUTIONS] if by_quality else []
    about = _SETUP.about
    if _is_own(settings) and family.units:
        about = _ABOUT_BOUND if family.is_bound else _ABOUT_OWN
    return ModelSpec(
        name="openai",
        label=model,
        model_id=model,
        sizes=sizes,
        own_sizes=_SIZES if family.units else None,
        prompt_limit=MAX_PROMPT_LENGTH,
        max_references=family.max_references,
        reference_form="bytes",
        prices=prices(settings.price_per_image, *tiers),
        price_extra_reference=price_of_reference(rate) if rate else Decimal(0),
        included_references=0 if rate else 1,
        token_prices=by_quality,
        retirement=Retirement(since=ends, variable="OPENAI_IMAGE_MODEL", successor=_SUCCESSOR)
        if ends
        else None,
        setup=replace(_SETUP, about=about),
        options=family.options,
        edit=RULES,
        field_notes=_NOTES if family.options else _NOTES | dict.fromkeys((*_OPTIONS, "quality"), _NO_OPTIONS),
    )
