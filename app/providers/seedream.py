"""Seedream on Volcengine Ark (方舟): one call returns the URL of the finished image.

That URL is the task id: for 24 hours a crash between response and download loses nothing.

Sizes, references and prices belong to the model id. An unlisted id (a new model, or an endpoint
``ep-…``, which hides its model) gets what all current models accept, and no known price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from app.domain import RESOLUTIONS, ImageRequest, ModelSetup, Reference, Retirement, SizeRule
from app.errors import ModelError, message
from app.providers import kit
from app.providers.base import ModelSettings, SubmitResult
from app.providers.error_rules import REFUSED, ErrorRule, failed, parse_error, pausing, throttling
from app.providers.http import Response
from app.providers.openai_images import ImagesApi, failed_part
from app.setting import address, concurrency, key, model, price

LABEL = message("方舟 Seedream")
# Prices are those of the mainland service; ids used elsewhere are charged in another currency.
_MAINLAND = "doubao-seedream-"
_PREFIXES = (_MAINLAND, "dola-seedream-", "seedream-")

_OLD_SIZES = SizeRule.by_area(3_686_400, 16_777_216, max_ratio=16)
_LINE_OF_PRO = 2_360_000  # sources name up to 2,610,000 pixels: in doubt the dearer price
_sizes = partial(kit.by_shape, ("1:1", "4:3", "16:9", "3:2", "21:9"))
_Row = tuple[tuple[int, int], ...]  # of the first shapes
_2K: _Row = ((2048, 2048), (2304, 1728), (2848, 1600), (2496, 1664))
_4K: _Row = ((4096, 4096), (4704, 3520), (5504, 3040), (4992, 3328))
_1K_OF_4_0: _Row = ((1024, 1024), (1152, 864), (1280, 720), (1248, 832))
_1K_OF_PRO: _Row = ((1024, 1024), (1152, 864), (1424, 800), (1248, 832), (1568, 672))
_2K_OF_PRO: _Row = ((2048, 2048), (2368, 1776), (2816, 1584), (2496, 1664), (3136, 1344))


def _family(
    label: str,
    *versions: str,
    published: Mapping[tuple[str, str], tuple[int, int]],
    own_sizes: SizeRule,
    resolutions: Sequence[str] = RESOLUTIONS,
    **more: Any,
) -> kit.Family:
    """The models whose ids end in these versions."""
    return kit.Family(
        label=label,
        ids=tuple(f"{prefix}{version}" for version in versions for prefix in _PREFIXES),
        sizes=kit.size_table(published, own_sizes, resolutions=resolutions),
        own_sizes=own_sizes,
        prompt_limit=300,
        has_switch=True,
        max_reference_bytes=45 * 1_048_576,  # 63 MB as base64; the service takes bodies up to 64 MB
        **more,
    )


_FORMATS = {"output_format": ("png", "jpeg")}
_BACKGROUNDS = {"background": ("transparent", "opaque")}
# What the 5.x generation has in common, and all that is known of an unlisted id.
_current = partial(
    _family,
    published=_sizes(_1K=_1K_OF_PRO, _2K=_2K_OF_PRO),
    own_sizes=SizeRule.by_area(921_600, 4_624_220, max_ratio=16, lines=(_LINE_OF_PRO,)),
    max_references=10,
    resolutions=("1K", "2K"),
)
# The generation before: at BytePlus it goes on, under ids of its own.
_ended = partial(
    _family,
    published=_sizes(_2K=_2K, _4K=_4K),
    own_sizes=_OLD_SIZES,
    max_references=14,
    retirement=Retirement(
        since=date(2026, 11, 24), variable="SEEDREAM_MODEL", successor="doubao-seedream-5-0-pro-260628"
    ),
)
MODELS = kit.by_id(
    # Each reference of 5.5 costs, from the first on; the amount in CNY is not published.
    _current("Seedream 5.5", "5-5-261028", included_references=0, options=_BACKGROUNDS | _FORMATS),
    _current(
        "Seedream 5.0 pro",
        "5-0-pro-260628",
        prices=("0.30", "0.60", "0.60"),
        reference_price="0.02",
        options=_FORMATS,
    ),
    _current("Seedream 5.0 flash", "5-0-flash-260915", prices=("0.12",), options=_FORMATS),
    _ended("Seedream 5.0 lite", "5-0-260128", "5-0-lite-260128", prices=("0.22",)),
    _ended("Seedream 4.5", "4-5-251128", prices=("0.25",)),
    _ended(
        "Seedream 4.0",
        "4-0-250828",
        published=_sizes(_1K=_1K_OF_4_0, _2K=_2K, _4K=_4K),
        own_sizes=SizeRule.by_area(921_600, 16_777_216, max_ratio=16),
        prices=("0.20",),
    ),
)


@dataclass(frozen=True, kw_only=True)
class SeedreamSettings(ModelSettings):
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
        LABEL, ".*(RateLimit|ServerOverloaded|RequestBurstTooFast|InflightBatchsizeExceeded).*", status=(429,)
    ),
    pausing(".+", "方舟暂不接受调用，请到控制台查看后继续", "limit", status=(429,), quotes=True),
    ErrorRule("ContentSecurityDetectionError.*", "方舟的内容审核出了内部错误", "service", retryable=True),
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
    failed(".+", "方舟出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试"),
)

# Fields that are the same in every request: a refusal of one of them would meet every row.
_CONSTANT_FIELDS = ("model", "response_format", "watermark", "output_format")
_WRONG_FIELD = pausing(
    ".*", "方舟不再接受这个软件发送的一个参数，请更新软件，或换一个模型", "request", quotes=True
)


class Seedream(ImagesApi):
    """The provider ``seedream``; see ``base.Provider``."""

    label, errors = LABEL, _ERRORS
    variables = ("ARK_API_KEY", "ARK_BASE_URL")

    def __init__(self, settings: SeedreamSettings) -> None:
        super().__init__(settings, settings.ark_base_url, settings.ark_api_key)
        model_id = settings.seedream_model
        family = MODELS.get(model_id) or _current(model_id)
        setup = _SETUP if model_id in MODELS else replace(_SETUP, about=_ABOUT_UNKNOWN)
        is_origin = model_id.startswith(_MAINLAND)
        self.spec = kit.spec_of("seedream", model_id, family, settings, setup, is_origin=is_origin)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image. The task id is its URL."""
        request = self.spec.strip_unsupported(request)
        body: dict[str, Any] = {
            "model": self.spec.model_id,
            "prompt": kit.with_negative_prompt(request.prompt, request.negative_prompt),
            "size": str(self.spec.size(request)),
            "response_format": "url",
            "watermark": bool(self.spec.watermark),
        }
        if "output_format" in self.spec.options:  # the default differs between the models
            usual = "png" if request.background == "transparent" else "jpeg"
            body["output_format"] = request.output_format or usual
        if request.background:
            body["background"] = request.background
        images = [kit.reference_address(reference) for reference in references]
        if images:
            body["image"] = images[0] if len(images) == 1 else images
        return self._generate(body)

    def _error(self, answer: Response) -> ModelError:
        """As the parent; a refused field that every request has pauses the batch."""
        problem, part = super()._error(answer), failed_part(answer)
        if problem.cause == "request" and kit.within(part, "error", "param") in _CONSTANT_FIELDS:
            return self._error_of(answer.status, *parse_error(part), (_WRONG_FIELD,))
        return problem


def is_of_service(settings: SeedreamSettings, model: str) -> bool:
    """Whether the service, which is known by the configured id or by its address, has this model."""
    configured, host = settings.seedream_model, str(urlsplit(settings.ark_base_url).hostname)
    usual = _MAINLAND if host.endswith(".volces.com") else ""
    prefix = next((each for each in _PREFIXES if configured.startswith(each)), usual)
    return bool(prefix) and model.startswith(prefix)
