"""What changing a picture asks of the worker: the mask as the model takes it, and the answer laid over."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from app import log
from app.domain import GeneratedImage, ModelSpec, Record, Reference, SavedImage
from app.errors import AppError, BucketError, DiskError, NotFound
from app.images import answers, laying, masks
from app.images.decode import InvalidImage
from app.images.marks import MarkLost
from app.library.library import Library
from app.library.outputs import Outputs
from app.worker.concurrency import DecodeLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Editing:
    """Lays the answers of services over the pictures that they changed."""

    library: Library
    outputs: Outputs
    decode_limit: DecodeLimit

    def lay_over(self, record: Record, image: GeneratedImage) -> tuple[GeneratedImage, dict[str, Any]]:
        """The picture to save, of a record with a mask, and its mark ``laid`` (``app.domain.marks``).

        The answer is kept beside. One that cannot be laid over is the picture itself.
        """
        laid = self._laid(record, image.content)
        if laid is None:
            return image, {"laid": False}
        try:
            answers.keep(self.outputs.folder, record.id, image.content)
        except DiskError as error:  # the picture is worth more: saving it waits for the disk
            log.record_event("answer_not_kept", record, why=str(error))
        return replace(image, content=laid.content), {"laid": laid.seam}

    def measured(self, record: Record, saved: SavedImage) -> dict[str, Any]:
        """The mark ``laid`` of a picture that was saved before a crash, from the answer beside it."""
        with suppress(NotFound, BucketError):
            if laid := self._laid(record, self.outputs.answer(record.id, saved.oss_key)):
                return {"laid": laid.seam}
        return {"laid": False}

    def _laid(self, record: Record, answer: bytes) -> laying.Laid | None:
        edit = record.request.edit
        assert edit
        try:
            original, mask = self.library.contents(record.sample_images)
            with self.decode_limit.hold(2 * edit.width * edit.height):
                return laying.lay_over(original, answer, mask)
        except (AppError, InvalidImage, MarkLost, OSError, ValueError) as error:
            log.record_event("not_laid_over", record, why=str(error))
            return None


def as_the_model_takes_them(references: Sequence[Reference], spec: ModelSpec) -> list[Reference]:
    """A picture and its mask in the form of the model; without it for a model that takes boxes."""
    if not (spec.edit and len(references) > 1):
        return list(references)
    picture, mask = references[:2]
    if spec.edit.takes == "boxes":
        return [picture]
    if spec.edit.mask_form == "alpha":
        mask = replace(mask, content=masks.as_alpha(mask.content or b""))
    return [picture, mask]
