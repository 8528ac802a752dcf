"""What changing a picture asks of the worker: the mask as the model takes it."""

from collections.abc import Sequence
from dataclasses import replace

from app.domain import ImageRequest, ModelSpec, Reference
from app.domain.edits import MASK
from app.images import masks


def as_the_model_takes_them(
    references: Sequence[Reference], request: ImageRequest, spec: ModelSpec
) -> list[Reference]:
    """The references with the mask in the form of the model; without it for a model that takes boxes."""
    if not (request.edit and request.edit.kind == MASK and spec.edit and len(references) > 1):
        return list(references)
    picture, mask = references[:2]
    if spec.edit.takes == "boxes":
        return [picture]
    if spec.edit.mask_form == "alpha":
        mask = replace(mask, content=masks.as_alpha(mask.content or b""))
    return [picture, mask]
