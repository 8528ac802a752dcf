"""OpenAI, and any other server that implements its images API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from urllib3.filepost import encode_multipart_formdata

from app.domain import (
    COMMON_RATIOS,
    RESOLUTIONS,
    USUAL_RATIOS,
    Edit,
    EditRules,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    Retirement,
    Size,
    SizeRule,
    TokenPrices,
)
from app.errors import ModelError, message
from app.providers import kit
from app.providers.base import ModelSettings, SubmitResult
from app.providers.error_rules import REFUSED, ErrorRule, failed, parse_error, pausing, throttling
from app.providers.http import Response
from app.providers.token_costs import cost_of, price_of_reference, price_of_token
from app.setting import address, concurrency, key, model, price


class ImagesApi(kit.Service):
    """Base class of the clients of services that implement OpenAI's images API: generations, and edits.

    An image URL is saved as the task id, then fetched; a base64 image is the result itself. A response with
    neither an image nor an error leaves it unknown whether an image was charged.
    """

    may_be_free = True

    def _read(self, answer: Response) -> SubmitResult:
        """Return the first image: its URL as the task id, or its content. Raises ModelError."""
        entries = kit.objects(answer.fields, "data")
        images = (kit.made_image(self._base, each.get("url"), each.get("b64_json")) for each in entries)
        has_error = not entries or bool(failed_part(answer).get("error"))
        usage = kit.reported_usage(answer.fields.get("usage"))
        return self._first(answer, images, usage, has_error=has_error)

    def _error(self, answer: Response) -> ModelError:
        return self._error_of(answer.status, *parse_error(failed_part(answer)))

    def _generate(self, body: Mapping[str, Any]) -> SubmitResult:
        return self._read(self._post("/images/generations", body))

    def _edit(
        self, fields: Mapping[str, Any], references: Sequence[Reference], *, has_mask: bool
    ) -> SubmitResult:
        """Post a form; with ``has_mask`` the second reference is the mask of the first."""
        pictures = references[:1] if has_mask else references
        name = "image" if len(pictures) == 1 else "image[]"
        parts: list[tuple[str, Any]] = [(key, str(value)) for key, value in fields.items()]
        for number, reference in enumerate(pictures, 1):
            extension = reference.media_type.rpartition("/")[2]
            content = self._downloads.reference(reference)
            parts.append((name, (f"reference_{number}.{extension}", content, reference.media_type)))
        if has_mask:
            parts.append(("mask", ("mask.png", references[1].content, "image/png")))
        return self._read(self._send("/images/edits", *encode_multipart_formdata(parts)))


def failed_part(answer: Response) -> Mapping[str, Any]:
    """The part of an answer that says an error: an image of it, or the whole."""
    parts = (answer.fields, *kit.objects(answer.fields, "data"))
    return next((each for each in parts if each.get("error")), answer.fields)


LABEL = message("图片服务")
_OWN_HOST = "api.openai.com"
_USUAL_QUALITY = "medium"  # without one the service chooses, up to the dearest
_SMALLEST, _LARGEST = 655_360, 3840 * 2160  # keeps the longest side within 3840 for every ratio offered
_SIZES = SizeRule(
    min_side=480, max_side=3840, min_area=_SMALLEST, max_area=_LARGEST, max_ratio=3, multiple_of=16
)


def size_of(edit: Edit) -> Size:
    """A size that is taken with the ratio of the picture: another could not be laid over it."""
    return kit.size_like(edit.width, edit.height, minimum=_SMALLEST, maximum=_LARGEST, multiple_of=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIFamily(kit.Family):
    """``units`` of the longer side by quality, from which the tokens of an image follow; ``is_bound``: they
    are not published, and these are the most that was seen.
    """

    units: Mapping[str, int] = field(default_factory=dict)
    is_bound: bool = False


_OPTIONS: dict[str, Sequence[str]] = {
    "background": ("transparent", "opaque"),
    "output_format": ("png", "jpeg", "webp"),
}
_any = partial(
    OpenAIFamily,
    sizes=kit.size_table({}, _SIZES, ratios=COMMON_RATIOS),
    max_references=16,
    reference_form="bytes",
    edit=EditRules(takes="mask", mask_form="alpha", words=True, size_of=size_of),
)
_unlisted = partial(_any, max_references=4)  # what is known of any other model behind the same API


def _billed_by_tokens(units: Mapping[str, int], *ids: str, is_bound: bool = False) -> OpenAIFamily:
    return _any(
        ids=ids,
        units=units,
        is_bound=is_bound,
        sizes=kit.size_table({}, _SIZES, ratios=USUAL_RATIOS),
        own_sizes=_SIZES,
        options=_OPTIONS | {"quality": tuple(units)},
    )


_2 = {"low": 16, "medium": 48, "high": 96}
_2_5 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
_2_6 = _2_5 | {"low": 48, "medium": 48}  # its low was seen to be 4.2 times that of 2.5
_2_5_SUNBURST = ("gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08")
_2_5_FLARE = ("gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08")
_end = partial(Retirement, variable="OPENAI_IMAGE_MODEL", successor="gpt-image-2.6-sunburst")
MODELS = kit.by_id(
    _billed_by_tokens(_2_6, "gpt-image-2.6-sunburst", "gpt-image-2.6-flare", is_bound=True),
    _billed_by_tokens(_2_5, *_2_5_SUNBURST, *_2_5_FLARE),
    _billed_by_tokens(_2, "gpt-image-2", "gpt-image-2-2026-04-21"),
    _any(
        ids=("gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"),
        retirement=_end(since=date(2026, 12, 1)),
    ),
    _any(ids=("gpt-image-1",), retirement=_end(since=date(2026, 10, 23))),
    _unlisted(ids=("dall-e-2", "dall-e-3"), retirement=_end(since=date(2026, 5, 12))),
)

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


_SETUP = ModelSetup(title="OpenAI 及兼容服务", about="任何兼容 /v1/images/generations 的服务，包括本机的。")

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
_FAILED = failed(_ANY, "图片服务出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试")
_FAILED_FREE = ErrorRule(_ANY, "图片服务出了错误，请看它的日志或再试一次", "service", quotes=True)


class OpenAIImages(ImagesApi):
    """The provider ``openai``; see ``base.Provider``."""

    label = LABEL
    variables = ("OPENAI_API_KEY", "OPENAI_BASE_URL")

    def __init__(self, settings: OpenAISettings) -> None:
        super().__init__(settings, settings.openai_base_url, settings.openai_api_key)
        is_own = urlsplit(settings.openai_base_url).hostname == _OWN_HOST
        family = MODELS.get(settings.openai_image_model) or _unlisted()
        # CNY for a dollar where OpenAI bills the tokens.
        self._rate = settings.usd_cny if is_own and family.units else None
        self.spec = _spec(settings, family, self._rate, is_own=is_own)
        self.errors = (*_ERRORS, _FAILED_FREE if self.spec.costs_nothing else _FAILED)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image; returns the image itself, or its URL as the task id."""
        request = self.spec.strip_unsupported(request)
        fields = {
            "model": self.spec.model_id,
            "prompt": kit.with_negative_prompt(request.prompt, request.negative_prompt),
            "n": 1,
            "size": str(self.spec.size(request)),
            **({"quality": _USUAL_QUALITY} if "quality" in self.spec.options else {}),
            **({"output_format": "png"} if request.background == "transparent" else {}),
            **request.options,
        }
        if self.spec.model_id.startswith("dall-e"):  # the only models that accept it
            fields["response_format"] = "b64_json"
        if references:
            return self._edit(fields, references, has_mask=request.edit is not None)
        return self._generate(fields)

    def _read(self, answer: Response) -> SubmitResult:
        """As the parent, with what the call cost. Raises ModelError."""
        result = super()._read(answer)
        cost = cost_of(answer.fields.get("usage"), self._rate) if self._rate else None
        return replace(result, cost=cost)


def _spec(settings: OpenAISettings, family: OpenAIFamily, rate: Decimal | None, *, is_own: bool) -> ModelSpec:
    token_prices, about = None, _SETUP.about
    if is_own and family.units:
        about = _ABOUT_BOUND if family.is_bound else _ABOUT_OWN
    if rate and settings.price_per_image is None:
        token = price_of_token(rate, is_bound=family.is_bound)
        token_prices = TokenPrices(units=family.units, usual=_USUAL_QUALITY, each=token)
        tiers = tuple(token_prices.of(family.sizes["1:1", tier])[""] for tier in RESOLUTIONS)
        family = replace(
            family, prices=tiers, reference_price=price_of_reference(rate), included_references=0
        )
    return kit.spec_of(
        "openai",
        settings.openai_image_model,
        family,
        settings,
        replace(_SETUP, about=about),
        is_origin=is_own,
        notes={} if family.options else dict.fromkeys((*_OPTIONS, "quality"), _NO_OPTIONS),
        token_prices=token_prices,
    )
