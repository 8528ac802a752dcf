"""Seedream on Volcengine Ark (方舟): one call returns the URL of the finished image.

That URL is the task id: for 24 hours a crash between response and download loses nothing.

Sizes, references and prices belong to the model id. An unlisted id (a new model, or an endpoint
``ep-…``, which hides its model) gets what all current models accept, and no known price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from app.domain import (
    RESOLUTIONS,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    Retirement,
    Size,
    SizeRule,
)
from app.errors import Billed, ModelError, message
from app.providers import base
from app.providers.base import SubmitResult, prices, reference_address, size_table, with_negative_prompt
from app.providers.error_rules import REFUSED, ErrorRule, parse_error, pausing, redacted, throttling
from app.providers.openai_images import ImagesApi
from app.setting import address, concurrency, key, model, price

LABEL = message("方舟 Seedream")

_MAX_REFERENCE_BYTES = 45 * 1_048_576  # 63 MB as base64; the service takes bodies up to 64 MB

_OLD_SIZES = SizeRule.by_area(3_686_400, 16_777_216, max_ratio=16)
_LINE_OF_PRO = 2_360_000  # sources name up to 2,610,000 pixels: in doubt the dearer price
_SHAPES = ("1:1", "4:3", "16:9", "3:2", "21:9")
_Row = tuple[tuple[int, int], ...]  # of the first shapes
_2K: _Row = ((2048, 2048), (2304, 1728), (2848, 1600), (2496, 1664))
_4K: _Row = ((4096, 4096), (4704, 3520), (5504, 3040), (4992, 3328))
_1K_OF_4_0: _Row = ((1024, 1024), (1152, 864), (1280, 720), (1248, 832))
_1K_OF_PRO: _Row = ((1024, 1024), (1152, 864), (1424, 800), (1248, 832), (1568, 672))
_2K_OF_PRO: _Row = ((2048, 2048), (2368, 1776), (2816, 1584), (2496, 1664), (3136, 1344))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """Properties shared by one kind of models; ``versions`` are the suffixes of their ids.

    ``prices`` are CNY for 1K, 2K, 4K, or one for all; empty: no price in CNY is published.
    ``extra_reference`` is CNY for each reference after the first ``included_references``.
    ``ended_on`` is the day on which mainland Ark stopped the models. A model with ``options`` takes a format.
    """

    label: str
    versions: tuple[str, ...] = ()
    published: Mapping[str, _Row] = field(default_factory=lambda: {"2K": _2K, "4K": _4K})
    sizes: SizeRule = _OLD_SIZES
    max_references: int = 14
    prices: tuple[str, ...] = ()
    extra_reference: str = "0"
    included_references: int = 1
    ended_on: date | None = None
    resolutions: tuple[str, ...] = RESOLUTIONS
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)


_FORMATS = ("png", "jpeg")
_BACKGROUNDS = ("transparent", "opaque")

# What the 5.x generation has in common, and all that is known of an unlisted id.
_current = partial(
    _Family,
    published={"1K": _1K_OF_PRO, "2K": _2K_OF_PRO},
    sizes=SizeRule.by_area(921_600, 4_624_220, max_ratio=16, lines=(_LINE_OF_PRO,)),
    max_references=10,
    resolutions=("1K", "2K"),
)
# The generation before: at BytePlus it goes on, under ids of its own.
_ended = partial(_Family, ended_on=date(2026, 11, 24))
_FAMILIES = (
    # Each reference of 5.5 costs, from the first on; the amount in CNY is not published.
    _current(
        label="Seedream 5.5",
        versions=("5-5-261028",),
        included_references=0,
        options={"background": _BACKGROUNDS, "output_format": _FORMATS},
    ),
    _current(
        label="Seedream 5.0 pro",
        versions=("5-0-pro-260628",),
        prices=("0.30", "0.60", "0.60"),
        extra_reference="0.02",
        options={"output_format": _FORMATS},
    ),
    _current(
        label="Seedream 5.0 flash",
        versions=("5-0-flash-260915",),
        prices=("0.12",),
        options={"output_format": _FORMATS},
    ),
    _ended(label="Seedream 5.0 lite", versions=("5-0-260128", "5-0-lite-260128"), prices=("0.22",)),
    _ended(label="Seedream 4.5", versions=("4-5-251128",), prices=("0.25",)),
    _ended(
        label="Seedream 4.0",
        versions=("4-0-250828",),
        published={"1K": _1K_OF_4_0, "2K": _2K, "4K": _4K},
        sizes=SizeRule.by_area(921_600, 16_777_216, max_ratio=16),
        prices=("0.20",),
    ),
)

# Prices are those of the mainland service; ids used elsewhere are charged in another currency.
_MAINLAND, _OUTSIDE = "doubao-seedream-", ("dola-seedream-", "seedream-")
_SUCCESSOR = "doubao-seedream-5-0-pro-260628"
_BY_ID = {
    f"{prefix}{version}": family
    for family in _FAMILIES
    for version in family.versions
    for prefix in (_MAINLAND, *_OUTSIDE)
}

_NOTES = {
    "negative_prompt": "Seedream 没有负面提示词这一项：会写成「画面中不要出现：…」加在提示词后面",
    "seed": "Seedream 4.0 以后的模型不接受种子，每次结果都不同",
    "steps": "Seedream 不接受步数，由服务自己决定",
    "reference_strength": "Seedream 不接受参考强度，请在提示词里写参考到什么程度",
    "quality": "Seedream 不分质量，请改分辨率",
}
_NO_BACKGROUND = "这个模型不能选背景，要透明背景请用 Seedream 5.5"


@dataclass(frozen=True, kw_only=True)
class SeedreamSettings(base.ModelSettings):
    """The settings of Seedream."""

    ark_api_key: str = key(example="你的 API Key", needed=True)
    seedream_model: str = model("doubao-seedream-5-0-pro-260628", example="控制台里的模型编号")
    seedream_price: Decimal | None = price()
    seedream_concurrency: int | None = concurrency()
    ark_base_url: str = address("https://ark.cn-beijing.volces.com/api/v3")


_SETUP = ModelSetup(
    title="Seedream",
    about="火山方舟的图片模型，参考图可以直接用这台电脑上的。",
    keys_at="https://console.volcengine.com/ark/",
    keys_from="取密钥：火山方舟控制台",
)
_ABOUT_UNKNOWN = (
    "不认识这个模型编号，只提供现有各代都支持的 1K 和 2K。单价请到控制台查看，填在「模型与密钥」里。"
)

_BLOCKED = ".*(SensitiveContent|RiskDetection).*"
_ERRORS = (
    pausing(
        "QuotaExceeded.*",
        "方舟说额度已用完（免费额度或套餐的上限），请到控制台查看额度后继续",
        "limit",
        quotes=True,
    ),
    pausing(
        "SetLimitExceeded.*",
        "方舟账号处在限额的体验模式，额度已用完，请在控制台调整后继续",
        "limit",
        quotes=True,
    ),
    pausing("AccountOverdueError.*", "方舟账户欠费，请充值后继续", "key", quotes=True),
    pausing("InvalidSubscription.*", "方舟说套餐无效或已到期，请到控制台查看后继续", "key", quotes=True),
    pausing(
        r"InvalidEndpoint\.Closed.*",
        "方舟的这个接入点已关闭，请在控制台打开它，或改 SEEDREAM_MODEL",
        "request",
        quotes=True,
    ),
    # Only these are throttling; any other code of a 429 persists until the user acts.
    throttling(
        LABEL,
        ".*(RateLimit|ServerOverloaded|RequestBurstTooFast|InflightBatchsizeExceeded).*",
        status=(429,),
    ),
    pausing(".+", "方舟暂不接受调用，请到控制台查看后继续", "limit", status=(429,), quotes=True),
    ErrorRule(
        "ContentSecurityDetectionError.*",
        "方舟的内容审核出了内部错误",
        "service",
        retryable=True,
    ),
    # The API reference marks none of these retryable.
    ErrorRule("InputText" + _BLOCKED, "提示词没有通过审核，请修改提示词", "moderation"),
    ErrorRule("InputImage" + _BLOCKED, "参考图没有通过审核，请换一张参考图", "moderation"),
    ErrorRule("OutputImage" + _BLOCKED, "生成的图片没有通过审核，请修改提示词后再试", "moderation"),
    ErrorRule("OutputText" + _BLOCKED, "生成的文字没有通过审核，请修改提示词", "moderation"),
    ErrorRule(_BLOCKED, "内容没有通过审核，请修改提示词或参考图", "moderation"),
    pausing(".+", "方舟不接受这个密钥，请检查 ARK_API_KEY 和权限", "key", status=(401, 403)),
    pausing(
        ".+", "这个模型没有开通或已下线，请在方舟控制台开通，或改 SEEDREAM_MODEL", "request", status=(404,)
    ),
    ErrorRule(".+", "这一行的参考图加起来太大，请换小一些的", "request", status=(413,)),
    ErrorRule(
        ".+", "Seedream 没有接受这个请求，请修改提示词或参数", "request", status=REFUSED | {200}, quotes=True
    ),
    ErrorRule(
        ".+",
        "方舟出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试",
        "service",
        billed=Billed.UNKNOWN,
    ),
)

# Fields that are the same in every request: a refusal of one of them would meet every row.
_CONSTANT_FIELDS = ("model", "response_format", "watermark", "output_format")
_WRONG_FIELD = pausing(
    ".*", "方舟不再接受这个软件发送的一个参数，请更新软件，或换一个模型", "request", quotes=True
)


class Seedream(ImagesApi):
    """The provider ``seedream``; see ``base.Provider``."""

    label = LABEL
    variables = ("ARK_API_KEY", "ARK_BASE_URL")

    def __init__(self, settings: SeedreamSettings) -> None:
        self.spec = _spec(settings)
        super().__init__(
            settings.ark_base_url,
            settings.ark_api_key,
            settings.seedream_model,
            timeout=settings.model_timeout,
            errors=_ERRORS,
        )

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image. The task id is its URL."""
        request = self.spec.strip_unsupported(request)
        body: dict[str, Any] = {
            "model": self._model,
            "prompt": with_negative_prompt(request.prompt, request.negative_prompt),
            "size": str(self.spec.size(request)),
            "response_format": "url",
            "watermark": bool(self.spec.watermark),
        }
        if "output_format" in self.spec.options:  # the default differs between the models
            usual = "png" if request.background == "transparent" else "jpeg"
            body["output_format"] = request.output_format or usual
        if request.background:
            body["background"] = request.background
        images = [reference_address(reference) for reference in references]
        if images:
            body["image"] = images[0] if len(images) == 1 else images
        return self._generate(body)

    def _error(self, status: int, fields: Mapping[str, Any]) -> ModelError:
        """As the parent; a refused field that every request has pauses the batch."""
        problem = super()._error(status, fields)
        about = fields.get("error")
        if problem.cause == "request" and isinstance(about, dict) and about.get("param") in _CONSTANT_FIELDS:
            code, detail = parse_error(fields)
            return _WRONG_FIELD.error(code, redacted(detail, *self._secrets))
        return problem


def other_models(settings: SeedreamSettings) -> list[str]:
    """The ids of the other models of the same service that can be ordered from.

    None when the service is not known by the configured id or by its address.
    """
    configured = settings.seedream_model
    prefixes = (_MAINLAND, *_OUTSIDE)
    prefix = next((each for each in prefixes if configured.startswith(each)), "")
    if not prefix and str(urlsplit(settings.ark_base_url).hostname).endswith(".volces.com"):
        prefix = _MAINLAND
    current = (f"{prefix}{version}" for each in _FAMILIES if not each.ended_on for version in each.versions)
    return [model for model in current if prefix and model != configured]


def _spec(settings: SeedreamSettings) -> ModelSpec:
    model = settings.seedream_model
    known = _BY_ID.get(model)
    family = known or _current(label=model)
    is_mainland = model.startswith(_MAINLAND)
    has_list_price = is_mainland and settings.price_per_image is None
    return ModelSpec(
        name="seedream",
        label=family.label,
        model_id=model,
        sizes=_sizes(family),
        own_sizes=family.sizes,
        prompt_limit=300,
        max_references=family.max_references,
        reference_form="any",
        max_reference_bytes=_MAX_REFERENCE_BYTES,
        prices=prices(settings.price_per_image, *(map(Decimal, family.prices) if is_mainland else ())),
        setup=_SETUP if known else replace(_SETUP, about=_ABOUT_UNKNOWN),
        price_extra_reference=Decimal(family.extra_reference if has_list_price else 0),
        included_references=family.included_references,
        retirement=Retirement(since=family.ended_on, variable="SEEDREAM_MODEL", successor=_SUCCESSOR)
        if family.ended_on and is_mainland
        else None,
        watermark=settings.watermark,
        options=family.options,
        field_notes=_NOTES if "background" in family.options else {**_NOTES, "background": _NO_BACKGROUND},
    )


def _sizes(family: _Family) -> dict[tuple[str, str], Size]:
    published = {
        (shape, tier): size
        for tier, row in family.published.items()
        for shape, size in zip(_SHAPES, row, strict=False)
    }
    return size_table(published, family.sizes, resolutions=family.resolutions)
