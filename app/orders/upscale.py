"""The enlargement of a picture: a batch of one, whose reference is the picture."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath

import database
from app.domain import ImageRequest, Record, ReferenceInfo, RowExtras, SampleImage, Status
from app.domain.models import UPSCALERS
from app.errors import Conflict
from app.orders.batches import SINGLE, submit_parsed
from app.orders.place import Conditions, Placed
from app.orders.read import ParsedRow

ENLARGED = "4K"


def upscale(
    conditions: Conditions,
    record_id: int,
    *,
    address: Callable[[Record], str],
    repeats: str,
    key: database.RequestKey | None = None,
) -> Placed:
    """Queue the enlargement of a record's picture, which is at this address, as a batch of one.

    Raises NotFound, Conflict and InvalidRequest.
    """

    def read() -> Sequence[ParsedRow]:
        record = database.get_record(conditions.db, record_id)
        if not (spec := conditions.models.upscaler):
            raise Conflict("放大要用即梦的密钥，请在「模型与密钥」里填好")
        if not is_enlargeable(record):
            raise Conflict("只有做好的图片可以放大，放大过的不能再放大")
        path = PurePath(record.filename)
        picture = SampleImage(url=address(record), filename=record.filename)
        ratios = [ratio for ratio, _ in spec.sizes]
        request = ImageRequest(
            model=spec.model_id,
            prompt=record.prompt,
            aspect_ratio=record.aspect_ratio if record.aspect_ratio in ratios else ratios[0],
            resolution=ENLARGED,
            filename=f"{path.stem}_{ENLARGED}",
            sample_images=(picture,),
        )
        format = path.suffix.lower()[1:].replace("jpg", "jpeg")
        facts = ReferenceInfo(format=format, width=record.width, height=record.height)
        for problem in spec.validate(request, {picture.url: facts}):
            raise problem
        row = ParsedRow(number=1, request=request, extras=RowExtras(), problems=[])
        completed = conditions.reader.complete([row], conditions.library.pin)
        for problem in completed[0].problems:
            raise problem
        return completed

    return submit_parsed(conditions, read, replace(SINGLE, repeats=repeats), key=key)


def is_enlargeable(record: Record) -> bool:
    """Whether the record has a picture that was not enlarged."""
    is_made = record.status is Status.SUCCESS and bool(record.image_path and record.filename)
    return is_made and record.model not in UPSCALERS
