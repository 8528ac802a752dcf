"""Jimeng (即梦) on Volcengine's visual API: submit a task, then poll its id.

The models that change pictures are in ``jimeng_edits``, and ``jimeng_errors`` interprets the responses.
One call makes one image (``force_single``) and is one charge.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from app.domain import (
    GeneratedImage,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    ReferenceLimits,
    SizeRule,
)
from app.errors import Billed, ModelError, SettingError, message
from app.providers import base, jimeng_edits, key_check
from app.providers.base import KeyCheck, Sleep, SubmitResult, prices, size_table, with_negative_prompt
from app.providers.downloads import Downloads
from app.providers.error_rules import at_least_unknown, outcome_unknown
from app.providers.http import Response, ServiceClient, decode_base64
from app.providers.jimeng_errors import (
    LABEL,
    edit_error,
    expired,
    fetch_error,
    key_error,
    not_given,
    submit_error,
    task_data,
    timed_out,
)
from app.providers.latency import LatencyEstimate
from app.providers.polling import Poller
from app.providers.volc_signature import Signer, canonical_query
from app.setting import address, concurrency, key, model, price, read_bool, setting

_SIZES = SizeRule.by_area(1_048_576, 16_777_216, max_ratio=3)
VERSION = "2022-08-31"
_MAX_DOWNLOADS = 4
_NONEXISTENT_TASK = "1000000000000000001"  # a well-formed task id that does not exist


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """What a ``req_key`` decides; ``price`` is CNY per picture, None if it is not known.

    ``scale`` turns the strength of references in percent into the service's field, whose larger values give
    the prompt more influence; None: the field is not known.
    """

    label: str
    max_references: int = 4
    price: str | None = None
    scale: Callable[[int], float] | None = None


# An image as base64: 4.6 has shown an answer to one, 4.0 has not.
_4_0, _4_6 = "jimeng_t2i_v40", "jimeng_seedream46_cvtob"
_FAMILIES = {
    # From 0 to 1, with two decimals.
    _4_0: _Family(
        label="即梦 4.0", max_references=10, price="0.22", scale=lambda percent: (100 - percent) / 100
    ),
    # An integer from 1 to 100.
    _4_6: _Family(
        label="即梦 4.6", max_references=14, price="0.22", scale=lambda percent: max(100 - percent, 1)
    ),
}
_ABOUT_TRIAL = "没有证实即梦 4.0 会看直接发的参考图，不看也照样收费：带参考图的表格先只做一行，看过再放行"
CUT_OUT = "saliency_seg"  # see ``cutout``
_UNLISTED = "不知道这个 JIMENG_REQ_KEY 的参考强度怎么写，没有发送"

_PUBLISHED = {
    ("1:1", "1K"): (1024, 1024),
    ("1:1", "2K"): (2048, 2048),
    ("4:3", "2K"): (2304, 1728),
    ("3:2", "2K"): (2496, 1664),
    ("16:9", "2K"): (2560, 1440),
    ("1:1", "4K"): (4096, 4096),
    ("4:3", "4K"): (4694, 3520),
    ("3:2", "4K"): (4992, 3328),
    ("16:9", "4K"): (5404, 3040),
}

_LIMITS = ReferenceLimits(formats=("jpeg", "png"), max_bytes=15 * 1_048_576, max_side=4096, max_ratio=3)
# Of an image as base64: what the pages of the sibling models say, those of 4.0 and 4.6 say nothing.
_LIMITS_AS_BYTES = replace(_LIMITS, max_bytes=4_700_000, recompresses=True)

_NOTES = {
    "negative_prompt": "即梦没有负面提示词这一项：会写成「画面中不要出现：…」加在提示词后面",
    "seed": "即梦不接受种子，每次结果都不同",
    "steps": "即梦不接受步数，由服务自己决定",
    "background": "即梦不能选背景，要透明背景请用 Seedream 5.5",
    "output_format": "即梦不能选格式，由服务自己决定",
    "quality": "即梦不分质量，请改分辨率",
}


def _read_producer(variable: str, value: str) -> str:
    if not re.fullmatch(r"[ -~]{1,256}", value):
        raise SettingError(variable, "应为英文字母、数字和符号，最多 256 个，例如统一社会信用代码")
    return value


@dataclass(frozen=True, kw_only=True)
class JimengSettings(base.ModelSettings):
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


class Jimeng:
    """The provider ``jimeng``; see ``base.Provider``."""

    def __init__(self, settings: JimengSettings) -> None:
        self._endpoint = settings.jimeng_endpoint
        self._req_key = settings.jimeng_req_key
        self._secrets = (settings.volcengine_ak, settings.volcengine_sk)
        self._signer = Signer(access_key=settings.volcengine_ak, secret_key=settings.volcengine_sk)
        self._timeout, self._producer = settings.model_timeout, settings.jimeng_aigc_producer
        self._client = ServiceClient(LABEL, self._endpoint, timeout=min(60.0, self._timeout))
        self._downloads = Downloads(LABEL, self._endpoint, timeout=self._timeout)
        self.latency = LatencyEstimate()
        self._submitted_at: dict[str, float] = {}  # task id -> monotonic time, until fetched
        self._scale = _family(self._req_key).scale
        self.spec = _spec(settings)
        if jimeng_edits.is_edit(self._req_key):
            self.spec = jimeng_edits.spec_of(self._req_key, self.spec, settings.jimeng_outpaint_price)

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Submit one task. Its id is always text: it is too long for a number."""
        answer = self.call(self._client.post_once, "CVSync2AsyncSubmitTask", self._body(request, references))
        task_id = self._task_id(answer)
        self._submitted_at[task_id] = time.monotonic()
        return SubmitResult(task_id=task_id)

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Poll until the task is done, then download the image; an expired URL is requested again."""
        submitted_at = self._submitted_at.pop(task_id, None)
        with Poller(self.latency, self._timeout, sleep, submitted_at=submitted_at) as poller:
            try:
                return self._wait_and_download(task_id, poller)
            except ModelError as problem:
                is_gone, problem.url_expired = problem.url_expired, False  # the next poll gives another URL
                raise self._gone() if is_gone and submitted_at is None else problem from None

    def check_key(self) -> KeyCheck:
        """Query a task that does not exist: the signature is checked, and the call is free."""
        answer = key_check.checked(LABEL, self._endpoint, lambda one: self._query(one, _NONEXISTENT_TASK))
        problem = key_error(answer, *self._secrets)
        if problem:
            raise problem
        text = "{label}：密钥有效，签名被接受，没有花钱；{open}"
        return KeyCheck(verified=True, text=message(text, label=LABEL, open=key_check.FIRST_IMAGE))

    def _body(self, request: ImageRequest, references: Sequence[Reference]) -> dict[str, Any]:
        if jimeng_edits.is_edit(self._req_key):
            return {**jimeng_edits.body_of(request, self._req_key), **self._images(references)}
        size = self.spec.size(request)
        body: dict[str, Any] = {
            "req_key": self._req_key,
            "prompt": with_negative_prompt(request.prompt, request.negative_prompt),
            "width": size.width,
            "height": size.height,
            "force_single": True,
        }
        if references:
            body |= self._images(references)
            if self._scale and request.reference_strength is not None:
                body["scale"] = self._scale(request.reference_strength)
        return body

    def _images(self, references: Sequence[Reference]) -> dict[str, list[str]]:
        """The references by address, or all as base64 if one is only here: the two are never mixed."""
        by_address = self.spec.tries_local and all(each.url for each in references)
        if self.spec.reference_form == "url" or by_address:
            return {"image_urls": [_public_url(reference) for reference in references]}
        contents = map(self._downloads.reference, references)
        return {"binary_data_base64": [base64.b64encode(each).decode() for each in contents]}

    def _task_id(self, answer: Response) -> str:
        """Return the id of the task that was made, whatever code stands beside it. Raises ModelError."""
        task_id = task_data(answer).get("task_id")
        if isinstance(task_id, (str, int)) and 0 < len(str(task_id)) <= base.LONGEST_TASK_ID:
            return str(task_id)
        if problem := submit_error(answer, *self._secrets):
            if jimeng_edits.is_edit(self._req_key):
                problem = edit_error(problem, answer, self.spec.label)
            raise at_least_unknown(problem, answer.status)
        raise outcome_unknown(LABEL, message("答复里没有任务编号"))

    def _wait_and_download(self, task_id: str, poller: Poller) -> GeneratedImage:
        downloads = 0
        while poller.wait():
            data = self._poll(task_id)
            if data is None:
                continue
            poller.finished()
            downloads += 1
            try:
                tagged = data.get("aigc_meta_tagged") is True if self._producer else None
                return GeneratedImage(content=self._image(data), watermark=self.spec.watermark, tagged=tagged)
            except ModelError as problem:
                if downloads == _MAX_DOWNLOADS or not problem.retryable:
                    raise
        raise timed_out()

    def _gone(self) -> ModelError:
        """Return the error for an image that is at none of its URLs, also when it is fetched again."""
        price = max(self.spec.prices.values(), default=Decimal(0))
        unpriced = "图片的下载地址已失效，图片取不回来了；这一张已计费，重新生成会再付一次"
        text = "再取也没有，可以再来一张，再付 ¥{price}" if price else unpriced
        return ModelError(text, price=f"{price:.2f}", cause="download", billed=Billed.YES, task_valid=True)

    def _poll(self, task_id: str) -> Mapping[str, Any] | None:
        """Poll once; returns the finished task's data, None while it is running or the poll fails."""
        try:
            answer = self._query(self._client, task_id)
        except ModelError:
            return None  # free: the next poll repeats it
        data = task_data(answer)
        problem = fetch_error(answer, *self._secrets)
        if problem and not (data.get("image_urls") or data.get("binary_data_base64")):
            raise problem
        status = data.get("status")
        if status in ("expired", "not_found"):
            raise expired(message("即梦已不再保存这个任务"))
        return data if status == "done" else None

    def _image(self, data: Mapping[str, Any]) -> bytes:
        urls, contents = data.get("image_urls"), data.get("binary_data_base64")
        if isinstance(urls, list) and urls:
            return self._downloads.fetch(str(urls[0]))
        if isinstance(contents, list) and contents and (content := decode_base64(contents[0])):
            return content
        raise not_given()

    def _query(self, client: ServiceClient, task_id: str) -> Response:
        wanted: dict[str, Any] = {"return_url": True}
        if self.spec.watermark:
            wanted["logo_info"] = {"add_logo": True}
        if maker := self._producer:  # all four: the pages differ in what they require
            who = {"content_producer": maker, "content_propagator": maker}
            wanted["aigc_meta"] = who | {"producer_id": task_id, "propagate_id": task_id}
        options = json.dumps(wanted, separators=(",", ":"))
        body = {"req_key": self._req_key, "task_id": task_id, "req_json": options}
        return self.call(client.post, "CVSync2AsyncGetResult", body)

    def call(self, post: Callable[..., Response], action: str, body: Mapping[str, Any]) -> Response:
        """Make a signed call by ``ServiceClient.post`` or ``post_once``."""
        query = (("Action", action), ("Version", VERSION))
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        parts = urlsplit(self._endpoint)
        headers = self._signer.headers(parts.netloc, query, content, datetime.now(UTC))
        url = f"{parts.scheme}://{parts.netloc}/?{canonical_query(query)}"
        return post(url, headers=headers, content=content)


def other_models(settings: JimengSettings) -> list[str]:
    """The other models that the same pair of keys is good for."""
    return [
        model for model in (*_FAMILIES, *jimeng_edits.MODELS, CUT_OUT) if model != settings.jimeng_req_key
    ]


def _family(req_key: str) -> _Family:
    return _FAMILIES.get(req_key) or _Family(label=req_key)


def _spec(settings: JimengSettings) -> ModelSpec:
    req_key = settings.jimeng_req_key
    family = _family(req_key)
    is_trial = req_key == _4_0 and settings.jimeng_local_references
    form = "bytes" if req_key == _4_6 else "any" if is_trial else "url"
    notes = _NOTES | ({"sample_images": _ABOUT_TRIAL} if is_trial else {})
    return ModelSpec(
        name="jimeng",
        label=family.label,
        model_id=req_key,
        sizes=size_table(_PUBLISHED, _SIZES),
        own_sizes=_SIZES if req_key in _FAMILIES else None,
        prompt_limit=800,
        max_references=family.max_references,
        reference_form=form,
        local_sibling=(_4_6, _family(_4_6).label) if req_key == _4_0 else (),
        tries_local=is_trial,
        reference_limits=_LIMITS if form == "url" else _LIMITS_AS_BYTES,
        max_reference_bytes=45 * 1_048_576,
        prices=prices(settings.price_per_image, *((Decimal(family.price),) if family.price else ())),
        setup=_SETUP,
        watermark=settings.watermark,
        options={"reference_strength": range(1, 101)} if family.scale else {},
        field_notes=notes if family.scale else {**notes, "reference_strength": _UNLISTED},
    )


def _public_url(reference: Reference) -> str:
    if reference.url:
        return reference.url
    text = "即梦只接受公网地址的参考图，「{name}」只在这台电脑上，请先放到 OSS 或换一张"
    raise ModelError(text, name=reference.filename, cause="request", billed=Billed.NO)
