"""Tencent's TokenHub: Hunyuan and Seedream images, each family behind a path and a form of its own.

The call returns the URL of the finished image, valid for 12 hours: it is the task id, as with Seedream. An
error may come with HTTP status 200; whether that, or an answer without an image, was charged is not known.

A size out of range is not refused but changed, so only sizes within it are offered. An unlisted id gets 1K
and 2K without references, and no price.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from app.domain import ImageRequest, ModelSetup, Reference, ReferenceLimits, SizeRule
from app.errors import ModelError, message
from app.providers import key_check, kit
from app.providers.base import KeyCheck, ModelSettings, SubmitResult
from app.providers.error_rules import REFUSED, ErrorRule, failed, parse_error, pausing, throttling
from app.providers.http import Response
from app.setting import address, concurrency, key, model, price

LABEL = message("TokenHub")
_HUNYUAN, _SEEDREAM = "/hunyuan-image/v35-generation", "/si-image/generation"
_NONEXISTENT_TASK = "/vidu-image/tasks/0"  # the only family whose tasks are known to be asked for by GET
_ZERO = 4_294_967_295  # the greatest seed, which no row has; 0 is out of range

_OF_HUNYUAN = SizeRule(min_side=256, max_side=8192, min_area=256 * 256, max_ratio=16)
_UP_TO_2K = kit.size_table({}, SizeRule.by_area(921_600, 2048 * 2048, max_ratio=16), resolutions=("1K", "2K"))
_4K = kit.size_table({}, _OF_HUNYUAN, resolutions=("4K",))
_LIMITS = ReferenceLimits(
    formats=("jpeg", "png", "webp"), max_bytes=20 * 1_048_576, max_side=8192, max_ratio=8
)
_any = partial(
    kit.Family, path=_HUNYUAN, sizes=_UP_TO_2K, reference_limits=_LIMITS, max_reference_bytes=45 * 1_048_576
)
_seedream = partial(_any, path=_SEEDREAM)
MODELS = {
    "hy-image-v3.5-preview": _any(
        label="混元图像 3.5",
        sizes=_UP_TO_2K | _4K,
        own_sizes=_OF_HUNYUAN,
        max_references=16,
        prices=("0.15", "0.15", "0.20"),
        takes_seed=True,
    ),
    "seedream-image-v5.0-pro": _seedream(
        label="TokenHub Seedream 5.0 pro",
        own_sizes=SizeRule.by_area(921_600, 4_624_220, max_ratio=16),
        prompt_limit=600,
        max_references=10,
        reference_limits=replace(_LIMITS, max_bytes=30 * 1_048_576),
        has_switch=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class TokenHubSettings(ModelSettings):
    """The settings of TokenHub."""

    tokenhub_api_key: str = key(example="你的 API Key", needed=True)
    tokenhub_image_model: str = model("hy-image-v3.5-preview", example="hy-image-v3.5-preview")
    tokenhub_price: Decimal | None = price()
    tokenhub_concurrency: int | None = concurrency()
    tokenhub_base_url: str = address("https://tokenhub.tencentmaas.com")


_SETUP = ModelSetup(
    title="腾讯 TokenHub",
    about="腾讯云的混元图像和 Seedream，每个模型要先在控制台开通后付费。混元的图上总有可见的标识，关不掉；"
    "Seedream 的单价没有公布，请到控制台查看。",
    keys_at="https://console.cloud.tencent.com/",
    keys_from="取密钥：腾讯云控制台",
)
_ABOUT_UNKNOWN = "不认识这个模型编号，只提供 1K 和 2K，不带参考图。单价请到控制台查看，填在「模型与密钥」里。"

_WRONG_KEY = "TokenHub 不接受这个密钥，请检查 TOKENHUB_API_KEY 和权限"
_NO_MODEL = "这个模型没有开通或没有，请在腾讯云控制台开通，或改 TOKENHUB_IMAGE_MODEL"
_BLOCKED = "提示词、参考图或生成的图片没有通过审核，请修改后再试"
_ANY = ".*"
_ERRORS = (
    pausing(
        "401007|401008|403004|(?i:.*(quota|balance).*)",
        "TokenHub 的额度或余额用完了，请到腾讯云控制台查看后继续",
        "key",
        quotes=True,
    ),
    pausing(_ANY, "TokenHub 的账户没有额度了，请充值后继续", "key", status=(402,), quotes=True),
    pausing("401002", _WRONG_KEY, "key"),
    pausing("model|40300[125]|Resource(Unavailable|NotFound).*", _NO_MODEL, "request", quotes=True),
    throttling(LABEL, "429001"),
    throttling(LABEL, status=(429,)),
    ErrorRule("451001|content_filter_error", _BLOCKED, "moderation"),
    ErrorRule(_ANY, _BLOCKED, "moderation", status=(451,)),
    pausing(_ANY, _WRONG_KEY, "key", status=(401, 403)),
    pausing(
        _ANY,
        "没有这个模型或接口，请检查 TOKENHUB_IMAGE_MODEL 和 TOKENHUB_BASE_URL",
        "request",
        status=(404, 405),
    ),
    ErrorRule(
        "(?!502001).*",
        "TokenHub 没有接受这个请求，请修改提示词或参数",
        "request",
        status=REFUSED | {200},
        quotes=True,
    ),
    failed(_ANY, "TokenHub 出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试"),
)


class TokenHub(kit.Service):
    """The provider ``tokenhub``; see ``base.Provider``."""

    label, errors = LABEL, _ERRORS

    def __init__(self, settings: TokenHubSettings) -> None:
        super().__init__(settings, settings.tokenhub_base_url, settings.tokenhub_api_key, "/v1/wand")
        model_id = settings.tokenhub_image_model
        unlisted = _seedream if model_id.startswith("seedream-") else _any
        self._family = MODELS.get(model_id) or unlisted(label=model_id)
        # Prices are those of the mainland; the other address charges in another currency.
        is_mainland = not str(urlsplit(self._base).hostname).endswith(".tencentcloudmaas.com")
        setup = _SETUP if model_id in MODELS else replace(_SETUP, about=_ABOUT_UNKNOWN)
        self.spec = kit.spec_of("tokenhub", model_id, self._family, settings, setup, is_origin=is_mainland)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image. The task id is its URL."""
        request = self.spec.strip_unsupported(request)
        addresses = [kit.reference_address(each) for each in references]
        is_seedream = self._family.path == _SEEDREAM
        body = (self._seedream if is_seedream else self._hunyuan)(request, addresses)
        body |= {"model": self.spec.model_id, "size": str(self.spec.size(request))}
        return self._read(self._post(self._family.path, body))

    def check_key(self) -> KeyCheck:
        """Query a task that does not exist: the call is free, and no other is documented."""
        answer = self._ask(_NONEXISTENT_TASK)
        if answer.status in (404, 405):
            return key_check.untested(LABEL, "TOKENHUB_BASE_URL")
        if answer.status >= 500 or not answer.fields:
            raise key_check.unreadable(LABEL, answer.status)
        return key_check.valid(LABEL)

    def _hunyuan(self, request: ImageRequest, addresses: Sequence[str]) -> dict[str, Any]:
        words = kit.with_negative_prompt(request.prompt, request.negative_prompt)
        images = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": [{"type": "text", "text": words}, *images]}]
        }
        if request.seed is not None:
            body["seed"] = request.seed or _ZERO
        return body

    def _seedream(self, request: ImageRequest, addresses: Sequence[str]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "prompt": kit.with_negative_prompt(request.prompt, request.negative_prompt),
            "response_format": "url",
            "watermark": bool(self.spec.watermark),
        }
        return body | ({"images": list(addresses)} if addresses else {})

    def _read(self, answer: Response) -> SubmitResult:
        """Return the first image: its URL as the task id, or its content. Raises ModelError."""
        fields = answer.fields
        urls = [
            kit.within(each, "delta", "image", "url") for each in kit.objects(fields, "choices")
        ]  # Hunyuan's
        urls += [each.get("url") for each in kit.objects(fields, "data")]
        images = (kit.made_image(self._base, url) for url in urls)
        result = self._first(answer, images, has_error=bool(fields.get("error")))
        return replace(result, usage=kit.reported_usage(fields.get("tokenhub_usage") or fields.get("usage")))

    def _error(self, answer: Response) -> ModelError:
        code, detail = parse_error(answer.fields)
        if code.startswith("4000") and re.search(
            r"(?i)\bmodel\b.*\b(not|unknown|invalid|unsupported)\b", detail
        ):
            code = "model"
        return self._error_of(answer.status, code, detail)
