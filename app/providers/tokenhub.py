"""Tencent's TokenHub: Hunyuan and Seedream images, each family behind a path and a form of its own.

The call returns the URL of the finished image, valid for 12 hours: it is the task id, as with Seedream. An
error may come with HTTP status 200; whether that, or an answer without an image, was charged is not known.

A size out of range is not refused but changed, so only sizes within it are offered. An unlisted id gets 1K
and 2K without references, and no price.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from app.domain import (
    MAX_PROMPT_LENGTH,
    GeneratedImage,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    ReferenceLimits,
    Size,
    SizeRule,
)
from app.errors import Billed, ModelError, message
from app.providers import key_check
from app.providers.base import (
    KeyCheck,
    ModelSettings,
    Sleep,
    SubmitResult,
    made_image,
    prices,
    reference_address,
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
from app.setting import address, concurrency, key, model, price

LABEL = message("TokenHub")
_HUNYUAN, _SEEDREAM = "/hunyuan-image/v35-generation", "/si-image/generation"
_NONEXISTENT_TASK = "/vidu-image/tasks/0"  # the only family whose tasks are known to be asked for by GET
_ZERO = 4_294_967_295  # the greatest seed, which no row has; 0 is out of range

_OF_HUNYUAN = SizeRule(min_side=256, max_side=8192, min_area=256 * 256, max_ratio=16)
_OF_SEEDREAM = SizeRule.by_area(921_600, 4_624_220, max_ratio=16)
_UP_TO_2K = size_table({}, SizeRule.by_area(921_600, 2048 * 2048, max_ratio=16), resolutions=("1K", "2K"))
_4K = size_table({}, _OF_HUNYUAN, resolutions=("4K",))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """What a model id decides. ``prices`` are CNY for 1K, 2K and 4K; empty: none is published.

    ``has_switch``: it can be asked for its visible mark; the others always draw it.
    """

    label: str
    path: str = _HUNYUAN
    sizes: Mapping[tuple[str, str], Size] = field(default_factory=lambda: _UP_TO_2K)
    own_sizes: SizeRule | None = None
    prompt_limit: int = MAX_PROMPT_LENGTH
    max_references: int = 0
    max_megabytes: int = 20
    prices: tuple[str, ...] = ()
    takes_seed: bool = False
    has_switch: bool = False


_FAMILIES = {
    "hy-image-v3.5-preview": _Family(
        label="混元图像 3.5",
        sizes=_UP_TO_2K | _4K,
        own_sizes=_OF_HUNYUAN,
        max_references=16,
        prices=("0.15", "0.15", "0.20"),
        takes_seed=True,
    ),
    "seedream-image-v5.0-pro": _Family(
        label="TokenHub Seedream 5.0 pro",
        path=_SEEDREAM,
        own_sizes=_OF_SEEDREAM,
        prompt_limit=600,
        max_references=10,
        max_megabytes=30,
        has_switch=True,
    ),
}

_NOTES = {
    "negative_prompt": "TokenHub 没有负面提示词这一项：会写成「画面中不要出现：…」加在提示词后面",
    "steps": "TokenHub 不接受步数，由服务自己决定",
    "reference_strength": "TokenHub 不接受参考强度，请在提示词里写参考到什么程度",
    "background": "TokenHub 不能选背景，要透明背景请用 Seedream 5.5",
    "output_format": "TokenHub 不能选格式，由服务自己决定",
    "quality": "TokenHub 不分质量，请改分辨率",
}
_NO_SEED = {"seed": "这个模型不接受种子，每次结果都不同"}


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
    ErrorRule(
        _ANY,
        "TokenHub 出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试",
        "service",
        billed=Billed.UNKNOWN,
    ),
)


class TokenHub:
    """The provider ``tokenhub``; see ``base.Provider``."""

    latency: None = None

    def __init__(self, settings: TokenHubSettings) -> None:
        address, key = settings.tokenhub_base_url, settings.tokenhub_api_key
        self._base = f"{address}/v1/wand"
        self._secrets = (key, *secrets_in(address))
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._client = ServiceClient(LABEL, address, timeout=settings.model_timeout)
        self._downloads = Downloads(LABEL, address, timeout=settings.model_timeout)
        self._family = _family_of(settings.tokenhub_image_model)
        self.spec = _spec(settings, self._family)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image. The task id is its URL."""
        request = self.spec.strip_unsupported(request)
        addresses = [reference_address(each) for each in references]
        is_seedream = self._family.path == _SEEDREAM
        body = (self._seedream if is_seedream else self._hunyuan)(request, addresses)
        body |= {"model": self.spec.model_id, "size": str(self.spec.size(request))}
        content = json.dumps(body, ensure_ascii=False).encode()
        url = f"{self._base}{self._family.path}"
        return self._read(self._client.post_once(url, headers=self._headers, content=content))

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Download the image from the URL that submit returned."""
        return GeneratedImage(content=self._downloads.fetch_with_retries(task_id, sleep))

    def check_key(self) -> KeyCheck:
        """Query a task that does not exist: the call is free, and no other is documented."""
        url = f"{self._base}{_NONEXISTENT_TASK}"
        answer = key_check.checked(LABEL, self._base, lambda client: client.get(url, headers=self._headers))
        if answer.status in (401, 403):
            raise self._error(answer)
        if answer.status in (404, 405):
            text = "{label}连得上，但没有不花钱的测试办法：{variable} 和密钥对不对，要到第一张图才知道"
            return KeyCheck(verified=False, text=message(text, label=LABEL, variable="TOKENHUB_BASE_URL"))
        if answer.status >= 500 or not answer.fields:
            raise key_check.unreadable(LABEL, answer.status)
        text = "{label}：密钥有效，没有花钱；{open}"
        return KeyCheck(verified=True, text=message(text, label=LABEL, open=key_check.FIRST_IMAGE))

    def _hunyuan(self, request: ImageRequest, addresses: Sequence[str]) -> dict[str, Any]:
        words = with_negative_prompt(request.prompt, request.negative_prompt)
        images = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": [{"type": "text", "text": words}, *images]}]
        }
        if request.seed is not None:
            body["seed"] = request.seed or _ZERO
        return body

    def _seedream(self, request: ImageRequest, addresses: Sequence[str]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "prompt": with_negative_prompt(request.prompt, request.negative_prompt),
            "response_format": "url",
            "watermark": bool(self.spec.watermark),
        }
        return body | ({"images": list(addresses)} if addresses else {})

    def _read(self, answer: Response) -> SubmitResult:
        """Return the first image: its URL as the task id, or its content. Raises ModelError."""
        fields = answer.fields
        made = (made_image(self._base, each.get("url")) for each in _images(fields))
        if image := next(filter(None, made), None):  # whatever error stands beside it
            return replace(image, usage=reported_usage(fields.get("tokenhub_usage") or fields.get("usage")))
        if answer.status == 200 and not fields.get("error"):
            raise outcome_unknown(LABEL, message("答复里没有图片"))
        raise at_least_unknown(self._error(answer), answer.status)

    def _error(self, answer: Response) -> ModelError:
        code, detail = parse_error(answer.fields)
        if code.startswith("4000") and re.search(
            r"(?i)\bmodel\b.*\b(not|unknown|invalid|unsupported)\b", detail
        ):
            code = "model"
        rule = find_rule(_ERRORS, answer.status, code) if code or detail else None
        if rule is None:
            return unrecognised(LABEL, answer.status)
        return rule.error(redacted(code, *self._secrets), redacted(detail, *self._secrets))


def other_models(settings: TokenHubSettings) -> list[str]:
    """The ids of the other models that the same key is good for."""
    return [model for model in _FAMILIES if model != settings.tokenhub_image_model]


def _images(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The images of an answer, in Hunyuan's form or in Seedream's."""
    for choice in _objects(fields.get("choices")):
        delta = choice.get("delta")
        yield from _objects([delta.get("image")] if isinstance(delta, dict) else None)
    yield from _objects(fields.get("data"))


def _objects(found: Any) -> Iterator[dict[str, Any]]:
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())


def _family_of(model: str) -> _Family:
    path = _SEEDREAM if model.startswith("seedream-") else _HUNYUAN
    return _FAMILIES.get(model) or _Family(label=model, path=path)


def _spec(settings: TokenHubSettings, family: _Family) -> ModelSpec:
    is_known = settings.tokenhub_image_model in _FAMILIES
    # Prices are those of the mainland; the other address charges in another currency.
    is_mainland = not str(urlsplit(settings.tokenhub_base_url).hostname).endswith(".tencentcloudmaas.com")
    limits = ReferenceLimits(
        formats=("jpeg", "png", "webp"),
        max_bytes=family.max_megabytes * 1_048_576,
        max_side=8192,
        max_ratio=8,
    )
    return ModelSpec(
        name="tokenhub",
        label=family.label,
        model_id=settings.tokenhub_image_model,
        sizes=family.sizes,
        own_sizes=family.own_sizes,
        prompt_limit=family.prompt_limit,
        max_references=family.max_references,
        reference_form="any",
        reference_limits=limits,
        max_reference_bytes=45 * 1_048_576,
        takes_seed=family.takes_seed,
        prices=prices(settings.price_per_image, *(map(Decimal, family.prices) if is_mainland else ())),
        setup=_SETUP if is_known else replace(_SETUP, about=_ABOUT_UNKNOWN),
        watermark=settings.watermark if family.has_switch else None,
        field_notes=_NOTES if family.takes_seed else _NOTES | _NO_SEED,
    )
