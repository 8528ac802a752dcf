"""The change of a made picture, also to a larger one: one more picture of its row, with it as a reference."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import database
from app.domain import (
    OPTIONS,
    Edit,
    ImageRequest,
    ModelSpec,
    Record,
    ReferenceInfo,
    RowExtras,
    SampleImage,
    Status,
    fingerprint,
)
from app.domain.edits import EXPAND, MASK, WHOLE, read_edges, read_region
from app.domain.models import UPSCALERS
from app.errors import AppError, Conflict, InvalidRequest, Message, message
from app.images import decode, masks
from app.images.filenames import TakenStems, filename_for
from app.orders.batches import submit_parsed
from app.orders.doors import OneMore
from app.orders.place import SINGLE, Conditions, Placed, place
from app.orders.read import AGAIN, SKIP, ParsedRow

MASK_NAME = "改动的地方.png"
ENLARGED = "4K"
_VARIATION_STRENGTH = 60  # of the picture as a reference, in percent, where its record has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An untrusted request to edit a picture: an area (``mask``, PNG bytes, or ``region``), a larger canvas
    (``edges``), a variation (``varies``), the picture at 4K (``enlarges``), or else the whole. ``repeats`` is
    empty for what is usual."""

    prompt: str = ""
    model: str = ""
    mask: bytes | None = None
    region: Mapping[str, Any] | None = None
    edges: Mapping[str, Any] | None = None
    varies: bool = False
    enlarges: bool = False
    repeats: str = ""

    @property
    def kind(self) -> str:
        """The kind of ``Edit``."""
        return MASK if self.mask or self.region else EXPAND if self.edges else WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A model that can change a picture, with the price in CNY of one change; None: unknown."""

    spec: ModelSpec
    price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What can be done with a picture; ``problem`` says why nothing can."""

    models: list[Offer] = field(default_factory=list)
    default: str = ""
    vary: Offer | None = None
    enlarge: Offer | None = None
    problem: Message | None = None


def stem_for(output_dir: Path, record: Record) -> str:
    """The preferred file name of one more picture of the record's row, without extension and number."""
    name = record.reserved_stem
    if not (record.num_images == 1 and record.picture_number == 1):
        name = name.removesuffix(f"_{record.picture_number}")
    return name or filename_for(output_dir, record.requested_filename, record.prompt)


def edit(
    conditions: Conditions,
    record_id: int,
    wish: Wish,
    *,
    address: Callable[[Record], str],
    key: database.RequestKey | None = None,
) -> Placed:
    """Queue the change of a record's picture, which is at this address, beside it in its row.

    Nothing is queued when it was done before, unless ``wish.repeats``. Raises NotFound, Conflict and
    InvalidRequest.
    """
    if answer := database.find_answer(conditions.db, key):
        return Placed.before(answer)
    record = database.get_record(conditions.db, record_id)
    _require_picture(record)
    picture = SampleImage(url=address(record), filename=record.filename)
    make = _variation if wish.varies else _enlargement if wish.enlarges else partial(_change, wish=wish)
    origin = database.with_requested_seed(conditions.db, record)
    row_print = record.request.row_print or fingerprint(origin.row_request)
    request = replace(make(conditions, record, picture), row_print=row_print)
    for problem in _problems(conditions, record, request, picture):
        raise problem
    row = ParsedRow(number=1, request=request, extras=RowExtras(columns=record.columns), problems=[])
    (row,) = conditions.reader.complete([row], conditions.library.pin)
    for problem in row.problems:
        raise problem
    assert row.request
    repeats = wish.repeats or (AGAIN if wish.varies else SKIP)
    if not record.batch_id:
        alone = replace(row, request=replace(row.request, num_images=1))
        return submit_parsed(conditions, lambda: [alone], replace(SINGLE, repeats=repeats), key=key)
    order = OneMore(
        models=conditions.models,
        person_id=conditions.person_id,
        key=key,
        is_taken=TakenStems(conditions.output_dir),
        batch_id=record.batch_id,
        record_id=record.id,
        stem_for=partial(stem_for, conditions.output_dir),
        require=conditions.require_models_of,
        request=row.request,
        skips=repeats == SKIP,
    )
    return place(conditions.db, order)


def offers(conditions: Conditions, record: Record, *, address: Callable[[Record], str]) -> Offers:
    """What can be done with the record's picture; changes nothing."""
    try:
        _require_picture(record)
    except AppError as error:
        return Offers(problem=error.message)
    picture = SampleImage(url=address(record), filename=record.filename)
    found, problem = list[Offer](), message("没有能改图的模型，请在「模型与密钥」里设置一个")
    for spec in conditions.models.all:
        if not spec.edit or conditions.model_problem(spec):
            continue
        tried = [_request(spec, record, picture, _plain(record, kind)) for kind in spec.edit.kinds]
        if refused := next(iter(_problems(conditions, record, tried[0], picture)), None):
            problem = refused.message
        else:
            found.append(Offer(spec=spec, price=spec.price(tried[0])))
    ids = [offer.spec.model_id for offer in found]
    default = record.model if record.model in ids else next(iter(ids), "")
    others: dict[str, Offer] = {}
    for name, make in (("vary", _variation), ("enlarge", _enlargement)):
        with suppress(Conflict):
            request = make(conditions, record, picture)
            if not _problems(conditions, record, request, picture):
                spec = conditions.models[request.model]
                others[name] = Offer(spec=spec, price=spec.price(request))
    return Offers(models=found, default=default, problem=None if found or others else problem, **others)


def _require_picture(record: Record) -> None:
    if not (record.status is Status.SUCCESS and record.image_path and record.filename):
        raise Conflict("只有做好的图片可以改")
    if not (record.width and record.height):
        raise Conflict("没有记下这张图片的尺寸，改不了，请重新生成一张")


def _change(conditions: Conditions, record: Record, picture: SampleImage, *, wish: Wish) -> ImageRequest:
    """The request for a change. Raises Conflict and InvalidRequest."""
    spec = _model_of(conditions, record, wish)
    assert spec.edit
    words = wish.prompt.strip()
    if spec.edit.words and wish.kind == MASK and not words:
        raise InvalidRequest("prompt", "请写这里要变成什么")
    edited, images = _plain(record, wish.kind), [picture]
    if wish.kind == EXPAND:
        edited = replace(edited, edges=read_edges(wish.edges or {}))
        if edited.canvas[0] * edited.canvas[1] > decode.MAX_PIXELS:
            raise InvalidRequest(
                "edges", "扩出来超过 {limit} 像素，请少扩一些", limit=f"{decode.MAX_PIXELS:,}"
            )
    if wish.kind == MASK:
        content = _mask_of(wish, edited)
        if spec.edit.takes == "boxes":
            edited = replace(edited, boxes=tuple(masks.boxes_of(content)))
        images.append(conditions.library.keep(content, MASK_NAME))
    request = _request(spec, record, picture, edited)
    return replace(request, prompt=words or record.prompt, sample_images=tuple(images))


def _model_of(conditions: Conditions, record: Record, wish: Wish) -> ModelSpec:
    """The model that is asked for, else that of the record, else the first that can do it."""
    models = conditions.models
    if wish.model:
        if wish.model not in models.ids:
            raise InvalidRequest("model", "没有这个改图的模型，请刷新后再选")
        spec = models[wish.model]
        if not spec.edit or wish.kind not in spec.edit.kinds:
            raise InvalidRequest("model", "{model} 不能这样改图，请换一个模型", model=message(spec.label))
        return spec
    able = [each for each in models.all if each.edit and wish.kind in each.edit.kinds]
    usable = [each for each in able if not conditions.model_problem(each)]
    if not usable or wish.kind == WHOLE:
        raise Conflict(
            "没有能这样改图的模型，请在「模型与密钥」里设置一个" if not usable else "请写要用的模型"
        )
    return next((each for each in usable if each.model_id == record.model), usable[0])


def _mask_of(wish: Wish, edited: Edit) -> bytes:
    if wish.mask is not None:
        return masks.read_mask(wish.mask, edited.width, edited.height)
    box = read_region(wish.region or {}, edited.width, edited.height)
    return masks.box_mask(box, edited.width, edited.height)


def _plain(record: Record, kind: str) -> Edit:
    return Edit(kind=kind, width=record.width or 0, height=record.height or 0)


def _request(spec: ModelSpec, record: Record, picture: SampleImage, edited: Edit) -> ImageRequest:
    """A request to change the picture, in the size of the model that is nearest to it."""
    ratio = edited.width / edited.height
    aspect_ratio, resolution = min(
        spec.sizes,
        key=lambda name: (
            abs(spec.sizes[name].width / spec.sizes[name].height / ratio - 1),
            abs(spec.sizes[name].area - edited.width * edited.height),
        ),
    )
    own = record.request if record.model == spec.model_id else None
    return ImageRequest(
        model=spec.model_id,
        prompt=record.prompt,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        num_images=record.num_images,
        filename=record.requested_filename,
        sample_images=(picture,),
        edit=edited,
        **({name: getattr(own, name) for name in OPTIONS if name != "reference_strength"} if own else {}),
    )


def _variation(conditions: Conditions, record: Record, picture: SampleImage) -> ImageRequest:
    """The record's own request with its picture as one more reference. Raises Conflict."""
    own, spec = record.request, conditions.models.get(record.model)
    if spec is None or not spec.is_for_rows or conditions.model_problem(spec):
        raise Conflict("做这张图片的模型现在不能变一变，请用表格里的行再做一张")
    references = () if own.edit else own.sample_images
    return replace(
        own,
        seed=None,
        edit=None,
        sample_images=(*references, picture),
        reference_strength=own.reference_strength or _VARIATION_STRENGTH,
    )


def _enlargement(conditions: Conditions, record: Record, picture: SampleImage) -> ImageRequest:
    """The request for the picture at 4K. Raises Conflict."""
    if not (spec := conditions.models.upscaler):
        raise Conflict("放大要用即梦的密钥，请在「模型与密钥」里填好")
    if problem := conditions.model_problem(spec):
        raise Conflict(problem)
    if record.model in UPSCALERS:
        raise Conflict("放大过的不能再放大")
    ratios = [ratio for ratio, _ in spec.sizes]
    return ImageRequest(
        model=spec.model_id,
        prompt=record.prompt,
        aspect_ratio=record.aspect_ratio if record.aspect_ratio in ratios else ratios[0],
        resolution=ENLARGED,
        num_images=record.num_images,
        filename=record.requested_filename,
        sample_images=(picture,),
    )


def _problems(
    conditions: Conditions, record: Record, request: ImageRequest, picture: SampleImage
) -> list[InvalidRequest]:
    """What the request's model does not take of the picture, by what is known of it."""
    suffix = PurePath(record.filename).suffix.lower()[1:].replace("jpg", "jpeg")
    facts = ReferenceInfo(format=suffix, size=record.file_size, width=record.width, height=record.height)
    models = conditions.models
    return models.of(request).validate(models.accept(request), {picture.url: facts})
