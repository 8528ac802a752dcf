"""Alibaba Bailian (阿里百炼, Model Studio): Wan, Qwen-Image and Z-Image behind one synchronous call.

The call returns the URL of the finished image, valid for 24 hours: it is the task id, as with Seedream.
An error may come with HTTP status 200, with ``code`` and ``message``; whether it was charged is not known.

Parameters, references and prices belong to the model id. An unlisted id gets what all models take, and no
price; a listed id followed by a date is a snapshot of that model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from app.domain import (
    EditRules,
    GeneratedImage,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    ReferenceLimits,
    Retirement,
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

LABEL = message("百炼")
_PATH = "/api/v1/services/aigc/multimodal-generation/generation"
_NONEXISTENT_TASK = "/api/v1/tasks/00000000-0000-0000-0000-000000000000"
_MAX_SEED = 2_147_483_647


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """Properties shared by one kind of models.

    ``price`` is CNY an image, ``reference_price`` CNY for each reference; empty: none is published in CNY.
    ``sizes`` are those of its own that it takes; None: only those of _SIZES. ``takes_negative``: it has a
    field for the negative prompt. ``rewrites``: it rewrites the prompt unless a field turns that off.
    ``ended_on`` is the day on which the service stopped the models.
    """

    label: str
    ids: tuple[str, ...] = ()
    max_references: int = 0
    prompt_limit: int = 800
    price: str = ""
    reference_price: str = "0"
    sizes: SizeRule | None = None
    takes_negative: bool = False
    rewrites: bool = False
    edit: EditRules | None = None
    ended_on: date | None = None


# A range that every model takes, without 4K, which only one has. How long a side may be is not known.
_OF_ALL = SizeRule.by_area(768 * 768, 2048 * 2048, max_ratio=4)
_OF_QWEN = SizeRule.by_area(262_144, 6_553_600, max_ratio=4)
_SIZES = size_table({}, replace(_OF_ALL, multiple_of=16), resolutions=("1K", "2K"))

_BOXES = EditRules(takes="boxes", boxes=2, words=True)
_wan = partial(_Family, max_references=9, prompt_limit=5000, sizes=_OF_ALL, edit=_BOXES)
_qwen = partial(_Family, takes_negative=True, rewrites=True, sizes=_OF_QWEN)
_FAMILIES = (
    _wan(label="万相 2.7 pro", ids=("wan2.7-image-pro",), price="0.50"),
    _wan(label="万相 2.7", ids=("wan2.7-image",)),
    # What each reference of 3.0 pro costs is not published.
    _qwen(label="Qwen-Image 3.0 pro", ids=("qwen-image-3.0-pro",), max_references=3),
    _qwen(
        label="Qwen-Image 3.0",
        ids=("qwen-image-3.0",),
        max_references=3,
        price="0.18",
        reference_price="0.02",
    ),
    _qwen(label="Qwen-Image 2.1", ids=("qwen-image-2.1",), max_references=10),
    _qwen(label="Qwen-Image 2.0 pro", ids=("qwen-image-2.0-pro",), max_references=3, price="0.50"),
    _qwen(label="Qwen-Image 2.0", ids=("qwen-image-2.0",), max_references=3, price="0.20"),
    _Family(label="Z-Image Turbo", ids=("z-image-turbo",), rewrites=True, price="0.10", sizes=_OF_ALL),
    _qwen(
        label="Qwen-Image",
        ids=("qwen-image", "qwen-image-plus", "qwen-image-max", "qwen-image-edit"),
        ended_on=date(2026, 10, 10),
    ),
)
_BY_ID = {model: family for family in _FAMILIES for model in family.ids}
_SUCCESSOR = "qwen-image-3.0"

_REFERENCE_LIMITS = ReferenceLimits(
    formats=("jpeg", "png", "webp", "bmp"), max_bytes=10 * 1_048_576, max_side=8000, max_ratio=8
)

_NOTES = {"steps": "百炼不接受步数，由服务自己决定"}
_FOLDED = {"negative_prompt": "这个模型没有负面提示词这一项：会写成「画面中不要出现：…」加在提示词后面"}


@dataclass(frozen=True, kw_only=True)
class BailianSettings(ModelSettings):
    """The settings of Bailian."""

    dashscope_api_key: str = key(example="你的 API Key", needed=True)
    bailian_model: str = model("wan2.7-image-pro", example="wan2.7-image-pro")
    bailian_price: Decimal | None = price()
    bailian_concurrency: int | None = concurrency()
    dashscope_base_url: str = address("https://dashscope.aliyuncs.com")


_SETUP = ModelSetup(
    title="阿里百炼",
    about="阿里云百炼的万相、Qwen-Image 和 Z-Image。提示词照原文发送，不让服务改写。",
    keys_at="https://bailian.console.aliyun.com/",
    keys_from="取密钥：百炼控制台",
)
_ABOUT_UNKNOWN = "不认识这个模型编号，只提供 1K 和 2K，不带参考图。单价请到控制台查看，填进 BAILIAN_PRICE。"

_WRONG_KEY = "百炼不接受这个密钥，请检查 DASHSCOPE_API_KEY、它的地域和权限"
_ERRORS = (
    ErrorRule(
        r"DataInspectionFailed|data_inspection_failed|IPInfringementSuspect|.*RuleBlocked|CustomRoleBlocked",
        "提示词、参考图或生成的图片没有通过审核，请修改后再试",
        "moderation",
    ),
    ErrorRule(
        r"InvalidParameter\.DataInspection|InvalidURL.*|InvalidImage.*",
        "百炼读不到参考图，请换一张参考图",
        "request",
        quotes=True,
    ),
    pausing("Arrearage|.*BillOverdue", "百炼账户欠费，请充值后继续", "key", quotes=True),
    pausing(
        r"AllocationQuota\.FreeTierOnly",
        "百炼的免费额度用完了，请在控制台关掉「仅使用免费额度」后继续",
        "limit",
    ),
    pausing(
        r"(Throttling\.)?AllocationQuota.*|insufficient_quota|CommodityNotPurchased",
        "百炼说额度已用完，请到控制台查看额度后继续",
        "limit",
        quotes=True,
    ),
    throttling(LABEL, "Throttling.*|LimitRequests|limit_requests"),
    pausing(".+", "百炼暂不接受调用，请到控制台查看后继续", "limit", status=(429,), quotes=True),
    pausing(
        r"ModelNotFound|model_not_found|Model\.AccessDenied|AccessDenied\.Unpurchased",
        "这个模型没有开通或已下线，请在百炼控制台开通，或改 BAILIAN_MODEL",
        "request",
    ),
    pausing("InvalidApiKey|invalid_api_key", _WRONG_KEY, "key"),
    pausing(".+", _WRONG_KEY, "key", status=(401, 403)),
    pausing(
        ".+", "百炼没有这个模型或接口，请检查 BAILIAN_MODEL 和 DASHSCOPE_BASE_URL", "request", status=(404,)
    ),
    ErrorRule(
        "(?!InternalError|RequestTimeOut).+",
        "百炼没有接受这个请求，请修改提示词或参数",
        "request",
        status=REFUSED | {200},
        quotes=True,
    ),
    ErrorRule(
        ".+",
        "百炼出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试",
        "service",
        billed=Billed.UNKNOWN,
    ),
)


class Bailian:
    """The provider ``bailian``; see ``base.Provider``."""

    latency: None = None

    def __init__(self, settings: BailianSettings) -> None:
        self._base = settings.dashscope_base_url
        self._secrets = (settings.dashscope_api_key, *secrets_in(self._base))
        bearer = f"Bearer {settings.dashscope_api_key}"
        self._headers = {"Authorization": bearer, "Content-Type": "application/json"}
        self._client = ServiceClient(LABEL, self._base, timeout=settings.model_timeout)
        self._downloads = Downloads(LABEL, self._base, timeout=settings.model_timeout)
        self._family = _family_of(settings.bailian_model)
        self.spec = _spec(settings, self._family)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image. The task id is its URL."""
        content = json.dumps(self._body(request, references), ensure_ascii=False).encode()
        return self._read(
            self._client.post_once(f"{self._base}{_PATH}", headers=self._headers, content=content)
        )

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Download the image from the URL that submit returned."""
        return GeneratedImage(content=self._downloads.fetch_with_retries(task_id, sleep))

    def check_key(self) -> KeyCheck:
        """Query a task that does not exist: the key is checked first, and the call is free."""
        url = f"{self._base}{_NONEXISTENT_TASK}"
        answer = key_check.checked(LABEL, self._base, lambda client: client.get(url, headers=self._headers))
        if answer.status in (401, 403):
            raise self._error(answer)
        if answer.status != 200 or not isinstance(answer.fields.get("output"), dict):
            raise key_check.unreadable(LABEL, answer.status)
        text = "{label}：密钥有效，没有花钱；{open}"
        return KeyCheck(verified=True, text=message(text, label=LABEL, open=key_check.FIRST_IMAGE))

    def _body(self, request: ImageRequest, references: Sequence[Reference]) -> dict[str, Any]:
        size = self.spec.size(request)
        parameters: dict[str, Any] = {
            "size": f"{size.width}*{size.height}",
            "n": 1,
            "watermark": bool(self.spec.watermark),
        }
        has_field, avoided = self._family.takes_negative, request.negative_prompt
        prompt = request.prompt if has_field else with_negative_prompt(request.prompt, avoided)
        if has_field and avoided:
            parameters["negative_prompt"] = avoided
        if self._family.rewrites:
            parameters["prompt_extend"] = False
        if request.edit:  # a list for each picture; with one, its ratio is kept
            parameters |= {"bbox_list": [request.edit.boxes], "size": request.resolution}
        if request.seed is not None:
            parameters["seed"] = request.seed % (_MAX_SEED + 1)
        content = [{"text": prompt}, *({"image": reference_address(each)} for each in references)]
        messages = [{"role": "user", "content": content}]
        return {"model": self.spec.model_id, "input": {"messages": messages}, "parameters": parameters}

    def _read(self, answer: Response) -> SubmitResult:
        """Return the first image: its URL as the task id, or its content. Raises ModelError."""
        fields = answer.fields
        made = (made_image(self._base, address) for address in _image_urls(fields))
        usage = reported_usage(fields.get("usage"))
        if "image_count" in usage:
            usage["generated_images"] = usage.pop("image_count")
        if image := next(filter(None, made), None):  # whatever code stands beside it
            return replace(image, usage=usage)
        if answer.status == 200 and not fields.get("code"):
            raise outcome_unknown(LABEL, message("答复里没有图片"))
        raise at_least_unknown(self._error(answer), answer.status, usage)

    def _error(self, answer: Response) -> ModelError:
        fields = answer.fields
        inner, words = parse_error(fields)
        code = redacted(fields.get("code") or inner, *self._secrets)
        rule = find_rule(_ERRORS, answer.status, code) if code else None
        if rule is None:
            return unrecognised(LABEL, answer.status)
        return rule.error(code, redacted(fields.get("message") or words, *self._secrets))


def other_models(settings: BailianSettings) -> list[str]:
    """The ids of the other models of the service that can be ordered from."""
    current = (model for family in _FAMILIES if not family.ended_on for model in family.ids)
    return [model for model in current if model != settings.bailian_model]


def _image_urls(fields: Mapping[str, Any]) -> Iterator[str]:
    output = fields.get("output")
    for choice in _list_in(output, "choices"):
        reply = choice.get("message") if isinstance(choice, dict) else None
        for part in _list_in(reply, "content"):
            if isinstance(part, dict) and isinstance(part.get("image"), str) and part["image"]:
                yield part["image"]


def _list_in(fields: Any, name: str) -> list[Any]:
    found = fields.get(name) if isinstance(fields, dict) else None
    return found if isinstance(found, list) else []


def _family_of(model: str) -> _Family:
    snapshot_of = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model)
    return _BY_ID.get(model) or _BY_ID.get(snapshot_of) or _Family(label=model)


def _spec(settings: BailianSettings, family: _Family) -> ModelSpec:
    is_known, host = family in _FAMILIES, str(urlsplit(settings.dashscope_base_url).hostname)
    # Prices are those of the mainland; other regions charge in another currency.
    is_mainland = not host.endswith(".aliyuncs.com") or host.startswith("dashscope.") or ".cn-" in host
    has_list_price = bool(family.price) and is_mainland
    reference_price = family.reference_price if has_list_price and settings.price_per_image is None else "0"
    return ModelSpec(
        name="bailian",
        label=family.label,
        model_id=settings.bailian_model,
        sizes=_SIZES,
        own_sizes=family.sizes,
        prompt_limit=family.prompt_limit,
        max_references=family.max_references,
        reference_form="any",
        reference_limits=_REFERENCE_LIMITS,
        negative_prompt="field" if family.takes_negative else "folded",
        takes_seed=True,
        prices=prices(settings.price_per_image, *((Decimal(family.price),) if has_list_price else ())),
        price_extra_reference=Decimal(reference_price),
        included_references=0,
        setup=_SETUP if is_known else replace(_SETUP, about=_ABOUT_UNKNOWN),
        retirement=Retirement(since=family.ended_on, variable="BAILIAN_MODEL", successor=_SUCCESSOR)
        if family.ended_on and is_mainland
        else None,
        watermark=settings.watermark,
        edit=family.edit,
        field_notes=_NOTES if family.takes_negative else _NOTES | _FOLDED,
    )
