"""Calls of OpenAI's images API with pictures: the form of references, and of a picture with its mask."""

from collections.abc import Mapping, Sequence
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from app.domain import Edit, EditRules, Reference, Size
from app.providers.base import size_like
from app.providers.downloads import Downloads

MAXIMUM_AREA = 3840 * 2160  # keeps the longest side within 3840 for every ratio offered
_MINIMUM_AREA = 655_360


def size_of(edit: Edit) -> Size:
    """A size that is taken with the ratio of the picture: another could not be laid over it."""
    return size_like(edit.width, edit.height, minimum=_MINIMUM_AREA, maximum=MAXIMUM_AREA, multiple_of=16)


RULES = EditRules(takes="mask", mask_form="alpha", words=True, size_of=size_of)


def form_of(
    fields: Mapping[str, Any], references: Sequence[Reference], downloads: Downloads, *, has_mask: bool
) -> tuple[bytes, str]:
    """The multipart body and its type; with ``has_mask`` the second reference is the mask of the first."""
    pictures = references[:1] if has_mask else references
    name = "image" if len(pictures) == 1 else "image[]"
    parts: list[tuple[str, Any]] = [(key, str(value)) for key, value in fields.items()]
    for number, reference in enumerate(pictures, 1):
        extension = reference.media_type.rpartition("/")[2]
        content = downloads.reference(reference)
        parts.append((name, (f"reference_{number}.{extension}", content, reference.media_type)))
    if has_mask:
        parts.append(("mask", ("mask.png", references[1].content, "image/png")))
    return encode_multipart_formdata(parts)
