"""The models of Jimeng that change a picture: upscaling, inpainting, outpainting.

They take the picture as base64, and share keys, signature and the two calls with the others; each has to be
opened once in the console. Whether redrawing keeps what the mask leaves black is not documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.domain import MAX_PROMPT_LENGTH, EditRules, ImageRequest, ModelSpec, ReferenceLimits
from app.domain.edits import SIDES

UPSCALER = "jimeng_i2i_seed3_tilesr_cvtob"
INPAINT, OUTPAINT = "jimeng_image2image_dream_inpaint", "jimeng_img2img_seed3_painting_edit"
_RANDOM = -1  # without a seed inpainting takes 101, and makes the same picture again
_LIMITS = ReferenceLimits(
    formats=("jpeg", "png"), max_bytes=4_700_000, max_side=4096, max_ratio=3, recompresses=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """``price`` is CNY per picture; empty: it is not published."""

    label: str
    price: str = ""
    prompt_limit: int = MAX_PROMPT_LENGTH
    resolutions: tuple[str, ...] = ("1K", "2K", "4K")
    edit: EditRules | None = None


_KINDS = {
    # A picture of 8K would have more pixels than the app opens.
    UPSCALER: _Kind(label="即梦放大", price="0.40", resolutions=("4K",)),
    INPAINT: _Kind(
        label="即梦局部重绘",
        price="0.20",
        prompt_limit=120,
        edit=EditRules(takes="mask", words=True, only=True),
    ),
    OUTPAINT: _Kind(label="即梦扩图", edit=EditRules(words=True, expands=True, only=True, verb="扩图")),
}
MODELS = tuple(_KINDS)


def is_edit(req_key: str) -> bool:
    """Whether this model changes a picture."""
    return req_key in _KINDS


def spec_of(req_key: str, spec: ModelSpec, outpaint_price: Decimal | None) -> ModelSpec:
    """``spec``, that of any model of Jimeng, as it is for this one."""
    kind = _KINDS[req_key]
    price = Decimal(kind.price) if kind.price else outpaint_price
    sizes = {name: size for name, size in spec.sizes.items() if name[1] in kind.resolutions}
    return replace(
        spec,
        label=kind.label,
        sizes=sizes,
        prompt_limit=kind.prompt_limit,
        max_references=1,
        min_references=1,
        reference_form="bytes",
        tries_local=False,
        reference_limits=_LIMITS,
        prices={} if price is None else dict.fromkeys(kind.resolutions, price),
        watermark=None,
        options={},
        edit=kind.edit,
    )


def body_of(request: ImageRequest, req_key: str) -> Mapping[str, Any]:
    """The fields of a submission besides the pictures."""
    if req_key == UPSCALER:
        return {"req_key": req_key, "resolution": request.resolution.lower()}
    fields: dict[str, Any] = {"req_key": req_key, "prompt": request.prompt, "seed": _RANDOM}
    if request.edit and req_key == OUTPAINT:
        fields |= dict(zip(SIDES, request.edit.edges, strict=True))
    return fields
