"""Which pictures can be enlarged, and the row that does it."""

from pathlib import PurePath

from app.domain import ImageRequest, ModelSpec, Record, ReferenceInfo, RowExtras, SampleImage, Status
from app.domain.models import UPSCALERS
from app.errors import Conflict
from app.orders.read import ParsedRow
from app.web.serializers import picture_url
from app.web.services import services
from app.web.submit import row_reader

RESOLUTION = "4K"


def enlarging_row(record: Record) -> ParsedRow:
    """The row that enlarges this record's picture, with its words. Raises Conflict and InvalidRequest."""
    if not (spec := services().models.upscaler):
        raise Conflict("放大要用即梦的密钥，请在「模型与密钥」里填好")
    if not _is_enlargeable(record):
        raise Conflict("只有做好的图片可以放大，放大过的不能再放大")
    path = PurePath(record.filename)
    picture = SampleImage(url=picture_url(record), filename=record.filename)
    ratios = [ratio for ratio, _ in spec.sizes]
    request = ImageRequest(
        model=spec.model_id,
        prompt=record.prompt,
        aspect_ratio=record.aspect_ratio if record.aspect_ratio in ratios else ratios[0],
        resolution=RESOLUTION,
        filename=f"{path.stem}_{RESOLUTION}",
        sample_images=(picture,),
    )
    facts = ReferenceInfo(
        format=path.suffix.lower()[1:].replace("jpg", "jpeg"), width=record.width, height=record.height
    )
    for problem in spec.validate(request, {picture.url: facts}):
        raise problem
    row = ParsedRow(number=1, request=request, extras=RowExtras(), problems=[])
    (completed,) = row_reader().complete([row], services().library.pin)
    for problem in completed.problems:
        raise problem
    return completed


def _is_enlargeable(record: Record) -> bool:
    return record.status is Status.SUCCESS and bool(picture_url(record)) and record.model not in UPSCALERS


def upscaler_of(record: Record) -> ModelSpec | None:
    """The model that can enlarge this record's picture now; None when none can."""
    spec = services().models.upscaler
    return spec if spec and _is_enlargeable(record) and not services().model_problem(spec) else None
