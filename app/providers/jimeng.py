"""Jimeng (即梦) on Volcengine's visual API: submit a task, then poll its id.

``jimeng_errors`` interprets the responses. One call makes one image (``force_single``) and is one charge.

The models that change a picture take it as base64; each has to be opened once in the console. Whether
redrawing keeps what the mask leaves black is not documented.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from app.domain import EditRules, ImageRequest, ModelSetup, ModelSpec, Reference, ReferenceLimits, SizeRule
from app.domain.edits import SIDES
from app.errors import Billed, ModelError, SettingError, message
from app.providers import jimeng_errors, kit
from app.providers.base import LONGEST_TASK_ID, ModelSettings, SubmitResult
from app.providers.error_rules import at_least_unknown, outcome_unknown
from app.providers.http import Response
from app.providers.jimeng_errors import LABEL, task_data
from app.providers.jimeng_tasks import JimengTasks
from app.setting import address, concurrency, key, model, price, read_bool, setting

_SIZES = SizeRule.by_area(1_048_576, 16_777_216, max_ratio=3)
_RANDOM = -1  # without a seed inpainting takes 101, and makes the same picture again

_PUBLISHED = kit.by_shape(
    ("1:1", "4:3", "3:2", "16:9"),
    _1K=((1024, 1024),),
    _2K=((2048, 2048), (2304, 1728), (2496, 1664), (2560, 1440)),
    _4K=((4096, 4096), (4694, 3520), (4992, 3328), (5404, 3040)),
)
_TABLE = kit.size_table(_PUBLISHED, _SIZES)
_LIMITS = ReferenceLimits(formats=("jpeg", "png"), max_bytes=15 * 1_048_576, max_side=4096, max_ratio=3)
# Of an image as base64: what the pages of the sibling models say, those of 4.0 and 4.6 say nothing.
_LIMITS_AS_BYTES = replace(_LIMITS, max_bytes=4_700_000, recompresses=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class JimengFamily(kit.Family):
    """What a ``req_key`` decides.

    ``scale`` turns the strength of references in percent into the service's field, whose larger values give
    the prompt more influence; None: the field is not known.
    """

    scale: Callable[[int], float] | None = None


_any = partial(
    JimengFamily,
    sizes=_TABLE,
    prompt_limit=800,
    max_references=4,
    reference_form="url",
    reference_limits=_LIMITS,
    max_reference_bytes=45 * 1_048_576,
    has_switch=True,
)
_listed = partial(_any, own_sizes=_SIZES, prices=("0.22",), options={"reference_strength": range(1, 101)})
_changing = partial(
    JimengFamily,
    sizes=_TABLE,
    max_references=1,
    min_references=1,
    reference_form="bytes",
    reference_limits=_LIMITS_AS_BYTES,
    max_reference_bytes=45 * 1_048_576,
)
# An image as base64: 4.6 has shown an answer to one, 4.0 has not.
_4_0, _4_6 = "jimeng_t2i_v40", "jimeng_seedream46_cvtob"
UPSCALER = "jimeng_i2i_seed3_tilesr_cvtob"
INPAINT, OUTPAINT = "jimeng_image2image_dream_inpaint", "jimeng_img2img_seed3_painting_edit"
CUT_OUT = "saliency_seg"  # see ``cutout``
MODELS = {
    # From 0 to 1, with two decimals.
    _4_0: _listed(label="即梦 4.0", max_references=10, scale=lambda percent: (100 - percent) / 100),
    _4_6: _listed(
        label="即梦 4.6",
        max_references=14,
        reference_form="bytes",
        reference_limits=_LIMITS_AS_BYTES,
        scale=lambda percent: max(100 - percent, 1),  # an integer from 1 to 100
    ),
    # A picture of 8K would have more pixels than the app opens.
    UPSCALER: _changing(
        label="即梦放大", prices=("0.40",), sizes={at: size for at, size in _TABLE.items() if at[1] == "4K"}
    ),
    INPAINT: _changing(
        label="即梦局部重绘",
        prices=("0.20",),
        prompt_limit=120,
        edit=EditRules(takes="mask", words=True, only=True),
    ),
    OUTPAINT: _changing(label="即梦扩图", edit=EditRules(words=True, expands=True, only=True, verb="扩图")),
    CUT_OUT: _changing(label="即梦抠图"),
}
_ABOUT_TRIAL = "没有证实即梦 4.0 会看直接发的参考图，不看也照样收费：带参考图的表格先只做一行，看过再放行"
_UNLISTED = "不知道这个 JIMENG_REQ_KEY 的参考强度怎么写，没有发送"


def _read_producer(variable: str, value: str) -> str:
    if not re.fullmatch(r"[ -~]{1,256}", value):
        raise SettingError(variable, "应为英文字母、数字和符号，最多 256 个，例如统一社会信用代码")
    return value


@dataclass(frozen=True, kw_only=True)
class JimengSettings(ModelSettings):
    """The settings of Jimeng."""

    volcengine_ak: str = key("Access Key ID", example="你的 Access Key ID", needed=True)
    volcengine_sk: str = key("Secret Access Key", example="你的 Secret Access Key", needed=True)
    jimeng_req_key: str = model("jimeng_t2i_v40")
    jimeng_price: Decimal | None = price()
    jimeng_outpaint_price: Decimal | None = price("扩图每张的价格（元）")
    jimeng_cutout_price: Decimal | None = price("抠图每张的价格（元）")
    jimeng_concurrency: int | None = concurrency()
    jimeng_endpoint: str = address("https://visual.volcengineapi.com")
    jimeng_aigc_producer: str = setting("", _read_producer, "请服务写隐式标识：生产者名称或编码")
    jimeng_local_references: bool = setting(False, read_bool, "4.0 直接发这台电脑上的参考图")


_SETUP = ModelSetup(
    title="即梦",
    about="火山引擎的图片模型。先在控制台开通「即梦」，再取一对密钥。4.6 可以直接用这台电脑上的参考图。",
    keys_at="https://console.volcengine.com/iam/keymanage/",
    keys_from="取密钥：火山引擎控制台",
)


class Jimeng(JimengTasks):
    """The provider ``jimeng``; see ``base.Provider``."""

    def __init__(self, settings: JimengSettings) -> None:
        super().__init__(
            settings.jimeng_endpoint,
            (settings.volcengine_ak, settings.volcengine_sk),
            settings.jimeng_aigc_producer,
            timeout=settings.model_timeout,
        )
        self._family = MODELS.get(settings.jimeng_req_key) or _any(label=settings.jimeng_req_key)
        self.spec = _spec(settings, self._family)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Submit one task. Its id is always text: it is too long for a number."""
        body = self._body(request) | self._images(references)
        if references and self._family.scale and request.reference_strength is not None:
            body["scale"] = self._family.scale(request.reference_strength)
        answer = self.call(self._client.post_once, "CVSync2AsyncSubmitTask", body)
        task_id = self._task_id(answer)
        self._submitted_at[task_id] = time.monotonic()
        return SubmitResult(task_id=task_id)

    def _body(self, request: ImageRequest) -> dict[str, Any]:
        body: dict[str, Any] = {"req_key": self.spec.model_id}
        if self.spec.model_id == UPSCALER:
            return body | {"resolution": request.resolution.lower()}
        if self.spec.min_references:
            edges = request.edit.edges if request.edit and self.spec.model_id == OUTPAINT else ()
            return body | {"prompt": request.prompt, "seed": _RANDOM, **dict(zip(SIDES, edges, strict=False))}
        size = self.spec.size(request)
        prompt = kit.with_negative_prompt(request.prompt, request.negative_prompt)
        return body | {"prompt": prompt, "width": size.width, "height": size.height, "force_single": True}

    def _images(self, references: Sequence[Reference]) -> dict[str, list[str]]:
        """The references by address, or all as base64 if one is only here: the two are never mixed."""
        if not references:
            return {}
        by_address = self.spec.tries_local and all(each.url for each in references)
        if self.spec.reference_form == "url" or by_address:
            return {"image_urls": [_public_url(reference) for reference in references]}
        contents = map(self._downloads.reference, references)
        return {"binary_data_base64": [base64.b64encode(each).decode() for each in contents]}

    def _task_id(self, answer: Response) -> str:
        """Return the id of the task that was made, whatever code stands beside it. Raises ModelError."""
        task_id = task_data(answer).get("task_id")
        if isinstance(task_id, (str, int)) and 0 < len(str(task_id)) <= LONGEST_TASK_ID:
            return str(task_id)
        if problem := jimeng_errors.submit_error(answer, *self._secrets):
            if self.spec.min_references:
                problem = jimeng_errors.edit_error(problem, answer, self.spec.label)
            raise at_least_unknown(problem, answer.status)
        raise outcome_unknown(LABEL, message("答复里没有任务编号"))


def _spec(settings: JimengSettings, family: JimengFamily) -> ModelSpec:
    req_key, more = settings.jimeng_req_key, dict[str, Any]()
    notes = {} if family.scale else {"reference_strength": _UNLISTED}
    if req_key == _4_0:
        more["local_sibling"] = (_4_6, MODELS[_4_6].label)
        if settings.jimeng_local_references:
            notes["sample_images"] = _ABOUT_TRIAL
            more |= {"tries_local": True, "reference_form": "any", "reference_limits": _LIMITS_AS_BYTES}
    if family.min_references:  # the price that is set is that of the others
        price = Decimal(family.prices[0]) if family.prices else settings.jimeng_outpaint_price
        more["prices"] = {} if price is None else {tier: price for _, tier in family.sizes}
    return kit.spec_of("jimeng", req_key, family, settings, _SETUP, notes=notes, **more)


def _public_url(reference: Reference) -> str:
    if reference.url:
        return reference.url
    text = "即梦只接受公网地址的参考图，「{name}」只在这台电脑上，请先放到 OSS 或换一张"
    raise ModelError(text, name=reference.filename, cause="request", billed=Billed.NO)
