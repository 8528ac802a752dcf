"""OpenAI's images API, which other services implement too: generations, and edits with pictures.

An image URL is saved as the task id, then fetched; a base64 image is the result itself. A response with
neither an image nor an error leaves it unknown whether an image was charged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from app.domain import Reference
from app.errors import ModelError
from app.providers import kit
from app.providers.base import SubmitResult
from app.providers.error_rules import parse_error
from app.providers.http import Response


class ImagesApi(kit.Service):
    """Base class of the clients of services that implement it."""

    may_be_free = True

    def _read(self, answer: Response) -> SubmitResult:
        """Return the first image: its URL as the task id, or its content. Raises ModelError."""
        entries = kit.objects(answer.fields, "data")
        images = (kit.made_image(self._base, each.get("url"), each.get("b64_json")) for each in entries)
        has_error = not entries or bool(failed_part(answer).get("error"))
        usage = kit.reported_usage(answer.fields.get("usage"))
        return self._first(answer, images, usage, has_error=has_error)

    def _error(self, answer: Response) -> ModelError:
        return self._error_of(answer.status, *parse_error(failed_part(answer)))

    def _generate(self, body: Mapping[str, Any]) -> SubmitResult:
        return self._read(self._post("/images/generations", body))

    def _edit(
        self, fields: Mapping[str, Any], references: Sequence[Reference], *, has_mask: bool
    ) -> SubmitResult:
        """Post a form; with ``has_mask`` the second reference is the mask of the first."""
        pictures = references[:1] if has_mask else references
        name = "image" if len(pictures) == 1 else "image[]"
        parts: list[tuple[str, Any]] = [(key, str(value)) for key, value in fields.items()]
        for number, reference in enumerate(pictures, 1):
            extension = reference.media_type.rpartition("/")[2]
            content = self._downloads.reference(reference)
            parts.append((name, (f"reference_{number}.{extension}", content, reference.media_type)))
        if has_mask:
            parts.append(("mask", ("mask.png", references[1].content, "image/png")))
        return self._read(self._send("/images/edits", *encode_multipart_formdata(parts)))


def failed_part(answer: Response) -> Mapping[str, Any]:
    """The part of an answer that says an error: an image of it, or the whole."""
    parts = (answer.fields, *kit.objects(answer.fields, "data"))
    return next((each for each in parts if each.get("error")), answer.fields)
