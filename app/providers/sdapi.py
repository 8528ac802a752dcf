"""Any server that implements AUTOMATIC1111's ``/sdapi/v1``: stable-diffusion.cpp, Forge, SD.Next and others.

The response is the image itself, so there are no task ids. The server returns the seed it used.
An error message of the server means that nothing was made; only a lost response leaves that open.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from app.domain import (
    MAX_ID,
    MAX_PROMPT_LENGTH,
    RESOLUTION_AREAS,
    EditRules,
    GeneratedImage,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    SizeRule,
)
from app.errors import ModelError, message
from app.providers import key_check, kit
from app.providers.base import KeyCheck, ModelSettings, SubmitResult
from app.providers.error_rules import (
    AFTER_SENDING,
    ErrorRule,
    find_rule,
    parse_error,
    pausing,
    redacted,
    throttling,
    unrecognised,
)
from app.providers.http import Response, decode_base64, parse_object, secrets_in
from app.setting import address, concurrency, price

_NAME = "本地图片服务"
LABEL = message(_NAME)

_SIZES = SizeRule(
    min_side=256, max_side=8192, min_area=256 * 256, max_area=17_000_000, max_ratio=8, multiple_of=8
)


@dataclass(frozen=True, kw_only=True)
class SdApiSettings(ModelSettings):
    """The settings of a Stable Diffusion server."""

    sdapi_url: str = address("", example="http://127.0.0.1:7860", needed=True, secret=True)
    sdapi_price: Decimal | None = price()
    sdapi_concurrency: int | None = concurrency()


_SETUP = ModelSetup(
    title="Stable Diffusion 服务", about="自己电脑上的 stable-diffusion.cpp、Forge、SD.Next、AUTOMATIC1111。"
)

_REDRAWN = 0.75  # denoising strength inside the mask: the original still shows through
_FAILED = "本地图片服务没有生成图片"
# Matched by the server's message. No rule has AFTER_SENDING, 502 or 504: the server may still be working.
_ERRORS = (
    throttling(LABEL, status=(429,)),
    pausing(
        ".+", "本地图片服务要密码，请在 SDAPI_URL 里写成 http://用户名:密码@地址", "key", status=(401, 403)
    ),
    pausing(
        "(?!.*Init image).+",
        "本地图片服务没有 /sdapi/v1 接口，请检查 SDAPI_URL，或用 --api 启动它",
        "request",
        status=(404,),
    ),
    ErrorRule(".+", _FAILED, "request", status=frozenset(range(200, 500)) - AFTER_SENDING, quotes=True),
    ErrorRule(".+", _FAILED, "service", status=frozenset(range(500, 600)) - {502, 504}, quotes=True),
)


class SdApi(kit.Service):
    """The provider ``sdapi``; see ``base.Provider``."""

    label, errors = LABEL, _ERRORS
    may_be_free = without_task = True

    def __init__(self, settings: SdApiSettings) -> None:
        url = urlsplit(settings.sdapi_url)  # its credentials are sent as Basic authentication
        super().__init__(settings, url._replace(netloc=url.netloc.rpartition("@")[2]).geturl().rstrip("/"))
        self._secrets = secrets_in(settings.sdapi_url)
        self._headers = {"Authorization": f"Basic {self._secrets[0]}"} if url.username else {}
        self.spec = ModelSpec(
            name="sdapi",
            label=_NAME,
            model_id="sdapi",
            sizes=kit.size_table({}, replace(_SIZES, multiple_of=16)),
            own_sizes=_SIZES,
            prompt_limit=MAX_PROMPT_LENGTH,
            max_references=1,
            reference_form="bytes",
            negative_prompt="field",
            takes_seed=True,
            takes_steps=True,
            prices=kit.prices(settings.price_per_image, Decimal(0)),
            self_hosted=True,
            edit=EditRules(takes="mask", words=True),
            setup=_SETUP,
            field_notes={"sample_images": "这个服务一次只能用 1 张参考图，请只留一张"},
        )

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Generate one image and wait for it."""
        path = "img2img" if references else "txt2img"
        return self._read(self._post(f"/sdapi/v1/{path}", self._body(request, references)))

    def check_key(self) -> KeyCheck:
        """Check the server by reading its options, which also name the loaded model."""
        answer = self._ask("/sdapi/v1/options")
        if answer.status in (404, 405):
            text = "{label}连得上，但没有 /sdapi/v1/options：能不能画，要到第一张图才知道"
            return KeyCheck(verified=False, text=message(text, label=LABEL))
        if answer.status != 200 or not answer.fields:
            raise key_check.unreadable(LABEL, answer.status)
        loaded = redacted(answer.fields.get("sd_model_checkpoint") or "", *self._secrets) or message(
            "没有说是哪一个"
        )
        running = message("{label}在运行，现在的模型：{model}", label=LABEL, model=loaded)
        return KeyCheck(verified=True, text=running)

    def _body(self, request: ImageRequest, references: Sequence[Reference]) -> dict[str, Any]:
        edit, size = request.edit, self.spec.size(request)
        if edit:
            limits = {"minimum": 512 * 512, "maximum": RESOLUTION_AREAS["2K"]}
            size = kit.size_like(edit.width, edit.height, multiple_of=8, **limits)
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "seed": -1 if request.seed is None else request.seed,
            "width": size.width,
            "height": size.height,
            "batch_size": 1,
            "n_iter": 1,
        }
        if request.steps is not None:
            body["steps"] = request.steps
        if references:
            content = self._downloads.reference(references[0])
            body["init_images"] = [base64.b64encode(content).decode()]
        if edit:  # begins with what is there, in the whole picture
            content = references[1].content or b""
            body |= {"mask": base64.b64encode(content).decode(), "inpainting_fill": 1}
            body |= {"inpaint_full_res": False, "denoising_strength": _REDRAWN}
        return body

    def _read(self, answer: Response) -> SubmitResult:
        """Return the first image that is no grid. Raises ModelError."""
        fields = answer.fields
        found = fields.get("images")
        images = found if isinstance(found, list) else []
        about = parse_object(fields.get("info"))  # some servers leave it empty
        grids = about.get("index_of_first_image")
        first = grids if isinstance(grids, int) and 0 < grids < len(images) else 0
        content = decode_base64(images[first]) if images else None
        image = GeneratedImage(content=content, seed=_seed(about)) if content else None
        made = [SubmitResult(image=image)] if image else []
        return self._first(answer, made, has_error=not isinstance(found, list))

    def _error(self, answer: Response) -> ModelError:
        detail = redacted(" ".join(parse_error(answer.fields)), *self._secrets)
        rule = find_rule(_ERRORS, answer.status, detail)
        return rule.error(f"HTTP {answer.status}", detail) if rule else unrecognised(LABEL, answer.status)


def _seed(about: Mapping[str, Any]) -> int | None:
    seeds = about.get("all_seeds")
    seed = seeds[0] if isinstance(seeds, list) and seeds else about.get("seed")
    return seed if isinstance(seed, int) and 0 <= seed <= MAX_ID else None
