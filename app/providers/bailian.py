"""Alibaba Bailian (阿里百炼, Model Studio): Wan, Qwen-Image and Z-Image behind one synchronous call.

The call returns the URL of the finished image, valid for 24 hours: it is the task id, as with Seedream.
An error may come with HTTP status 200, with ``code`` and ``message``; whether it was charged is not known.

Parameters, references and prices belong to the model id. An unlisted id gets what all models take, and no
price; a listed id followed by a date is a snapshot of that model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from app.domain import EditRules, ImageRequest, ModelSetup, Reference, ReferenceLimits, Retirement, SizeRule
from app.errors import ModelError, message
from app.providers import key_check, kit
from app.providers.base import KeyCheck, ModelSettings, SubmitResult
from app.providers.error_rules import REFUSED, ErrorRule, failed, parse_error, pausing, throttling
from app.providers.http import Response
from app.setting import address, concurrency, key, model, price

LABEL = message("百炼")
_PATH = "/api/v1/services/aigc/multimodal-generation/generation"
_NONEXISTENT_TASK = "/api/v1/tasks/00000000-0000-0000-0000-000000000000"
_MAX_SEED = 2_147_483_647

# A range that every model takes, without 4K, which only one has. How long a side may be is not known.
_OF_ALL = SizeRule.by_area(768 * 768, 2048 * 2048, max_ratio=4)
_OF_QWEN = SizeRule.by_area(262_144, 6_553_600, max_ratio=4)
_REFERENCE_LIMITS = ReferenceLimits(
    formats=("jpeg", "png", "webp", "bmp"), max_bytes=10 * 1_048_576, max_side=8000, max_ratio=8
)
_any = partial(
    kit.Family,
    sizes=kit.size_table({}, replace(_OF_ALL, multiple_of=16), resolutions=("1K", "2K")),
    prompt_limit=800,
    reference_limits=_REFERENCE_LIMITS,
    included_references=0,
    takes_seed=True,
    has_switch=True,
)
_BOXES = EditRules(takes="boxes", boxes=2, words=True)
_wan = partial(_any, max_references=9, prompt_limit=5000, own_sizes=_OF_ALL, edit=_BOXES)
_qwen = partial(_any, negative_prompt="field", rewrites=True, own_sizes=_OF_QWEN)
_END = Retirement(since=date(2026, 10, 10), variable="BAILIAN_MODEL", successor="qwen-image-3.0")
MODELS = kit.by_id(
    _wan(label="万相 2.7 pro", ids=("wan2.7-image-pro",), prices=("0.50",)),
    _wan(label="万相 2.7", ids=("wan2.7-image",)),
    # What each reference of 3.0 pro costs is not published.
    _qwen(label="Qwen-Image 3.0 pro", ids=("qwen-image-3.0-pro",), max_references=3),
    _qwen(
        label="Qwen-Image 3.0",
        ids=("qwen-image-3.0",),
        max_references=3,
        prices=("0.18",),
        reference_price="0.02",
    ),
    _qwen(label="Qwen-Image 2.1", ids=("qwen-image-2.1",), max_references=10),
    _qwen(label="Qwen-Image 2.0 pro", ids=("qwen-image-2.0-pro",), max_references=3, prices=("0.50",)),
    _qwen(label="Qwen-Image 2.0", ids=("qwen-image-2.0",), max_references=3, prices=("0.20",)),
    _any(label="Z-Image Turbo", ids=("z-image-turbo",), rewrites=True, prices=("0.10",), own_sizes=_OF_ALL),
    _qwen(
        label="Qwen-Image",
        ids=("qwen-image", "qwen-image-plus", "qwen-image-max", "qwen-image-edit"),
        retirement=_END,
    ),
)


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
    failed(".+", "百炼出了错误，这一张可能已计费，请先到控制台核对，再决定是否重试"),
)


class Bailian(kit.Service):
    """The provider ``bailian``; see ``base.Provider``."""

    label, errors = LABEL, _ERRORS

    def __init__(self, settings: BailianSettings) -> None:
        super().__init__(settings, settings.dashscope_base_url, settings.dashscope_api_key)
        model_id, host = settings.bailian_model, str(urlsplit(settings.dashscope_base_url).hostname)
        listed = MODELS.get(model_id) or MODELS.get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model_id))
        self._family = listed or _any(label=model_id)
        # Prices are those of the mainland; other regions charge in another currency.
        is_mainland = not host.endswith(".aliyuncs.com") or host.startswith("dashscope.") or ".cn-" in host
        setup = _SETUP if listed else replace(_SETUP, about=_ABOUT_UNKNOWN)
        self.spec = kit.spec_of("bailian", model_id, self._family, settings, setup, is_origin=is_mainland)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image. The task id is its URL."""
        return self._read(self._post(_PATH, self._body(request, references)))

    def check_key(self) -> KeyCheck:
        """Query a task that does not exist: the key is checked first, and the call is free."""
        answer = self._ask(_NONEXISTENT_TASK)
        if answer.status != 200 or not isinstance(answer.fields.get("output"), dict):
            raise key_check.unreadable(LABEL, answer.status)
        return key_check.valid(LABEL)

    def _body(self, request: ImageRequest, references: Sequence[Reference]) -> dict[str, Any]:
        size = self.spec.size(request)
        parameters: dict[str, Any] = {
            "size": f"{size.width}*{size.height}",
            "n": 1,
            "watermark": bool(self.spec.watermark),
        }
        has_field, avoided = self.spec.negative_prompt == "field", request.negative_prompt
        prompt = request.prompt if has_field else kit.with_negative_prompt(request.prompt, avoided)
        if has_field and avoided:
            parameters["negative_prompt"] = avoided
        if self._family.rewrites:
            parameters["prompt_extend"] = False
        if request.edit:  # a list for each picture; with one, its ratio is kept
            parameters |= {"bbox_list": [request.edit.boxes], "size": request.resolution}
        if request.seed is not None:
            parameters["seed"] = request.seed % (_MAX_SEED + 1)
        content = [{"text": prompt}, *({"image": kit.reference_address(each)} for each in references)]
        messages = [{"role": "user", "content": content}]
        return {"model": self.spec.model_id, "input": {"messages": messages}, "parameters": parameters}

    def _read(self, answer: Response) -> SubmitResult:
        """Return the first image: its URL as the task id, or its content. Raises ModelError."""
        fields = answer.fields
        parts = (
            part
            for choice in kit.objects(fields, "output", "choices")
            for part in kit.objects(choice, "message", "content")
        )
        usage = kit.reported_usage(fields.get("usage"))
        if "image_count" in usage:
            usage["generated_images"] = usage.pop("image_count")
        images = (kit.made_image(self._base, part.get("image")) for part in parts)
        return self._first(answer, images, usage, has_error=bool(fields.get("code")))

    def _error(self, answer: Response) -> ModelError:
        fields = answer.fields
        code, words = parse_error(fields)
        return self._error_of(answer.status, fields.get("code") or code, fields.get("message") or words)
