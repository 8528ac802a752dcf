"""What an image model accepts and costs; the models that can be ordered from."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from app.domain.edits import EXPAND, MASK, WHOLE, Edit
from app.domain.references import ReferenceInfo, ReferenceLimits
from app.domain.requests import ImageRequest
from app.domain.row_fields import MAX_MODEL_LENGTH
from app.domain.sizes import ASPECT_RATIOS, RESOLUTIONS, Size, SizeRule, TokenPrices, own_size
from app.domain.validation import normal_text
from app.errors import Conflict, InvalidRequest, Message, message

# Models that enlarge a picture: no other model can take the place of one.
UPSCALERS = frozenset({"jimeng_i2i_seed3_tilesr_cvtob"})
_GAPS = re.compile(r"[\s_-]+")
_WEB = ("https://", "http://")
_OPAQUE_FORMATS = ("jpeg",)  # formats without transparency


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSetup:
    """How to set up an image model, for the model page.

    title    name of the model family; ``about`` describes it in one sentence
    keys_at  URL where keys are issued, ``keys_from`` the issuer; empty for self-hosted services
    free     the text shown for a price of 0
    """

    title: str
    about: str
    keys_at: str = ""
    keys_from: str = ""
    free: str = "不花钱"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """The end of a model: from the day ``since`` on its service takes no orders for it.

    ``variable`` of ``.env`` is to be set to ``successor``, the id of a model that goes on.
    """

    since: date
    variable: str
    successor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRules:
    """How a model changes a made picture.

    takes     "mask": a mask of the picture's size; "boxes": at most ``boxes`` rectangles; "whole": nothing;
              empty: none of these
    mask_form "grey": white is changed; "alpha": transparent is changed. What is sent beside the picture
    words     whether it is told what should be there
    expands   whether it can enlarge the canvas
    only      whether rows cannot name this model, since it only changes pictures
    verb      the label of the action in the large view
    size_of   the size that is asked for, where it is not one of the model's table
    """

    takes: str = ""
    boxes: int = 0
    mask_form: str = "grey"
    words: bool = False
    expands: bool = False
    only: bool = False
    verb: str = "改一处"
    size_of: Callable[[Edit], Size] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of ``Edit`` that it does."""
        place = {"mask": (MASK,), "boxes": (MASK,), "whole": (WHOLE,)}.get(self.takes, ())
        return (*place, EXPAND) if self.expands else place


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Capabilities and prices of an image model; pages and validation are driven by it.

    name             value of IMAGE_MODEL; ``label`` is the display name, ``model_id`` the service's own id
    sizes            (aspect ratio, resolution) -> size; a missing pair is not offered
    own_sizes        which other widths and heights it takes; None: no other size than those of ``sizes``
    prompt_limit     recommended maximum in characters; a longer prompt is a warning, not an error
    max_references   per picture, at most MAX_REFERENCES; 0 = no reference images. ``reference_form``: "url" =
                     public addresses only, "bytes" = uploaded as bytes, "any" = either. ``min_references``:
                     how many it needs
    reference_limits limits on each reference image, where the service documents them;
                     ``max_reference_bytes`` is the limit on all of a request that are sent as bytes, by
                     default what four concurrent requests can hold in memory
    negative_prompt  "field" = a field of its own, "folded" = appended to the prompt
    prices           resolution -> CNY per picture; empty: unknown (no public price, none configured).
                     ``price_extra_reference`` is added for each reference after the first
                     ``included_references``
    token_prices     what a picture costs by its size and quality, where the service counts tokens: ``prices``
                     are then of 1:1 without a choice
    local_sibling    (id, label) of a model with the same keys that takes references of this computer, where
                     this one does not; empty when there is none
    tries_local      whether it is not proven to look at references of this computer: the first run of a table
                     makes one row that has some, and holds the others
    retirement       when its service ends it; None: no end is announced
    self_hosted      runs in this process or on the user's own server: while no price is configured, a
                     request is never charged, whatever its outcome. A price of 0 alone does not imply that
    watermark        whether the service is asked for its visible mark; None: it has no such switch
    edit             how it changes a made picture; None: it does not
    setup            content of the model page
    options          option (one of OPTIONS) -> the values it may have: words, or a range of numbers
    field_notes      field name -> why the model ignores it, or what happens to it
    """

    name: str
    label: str
    model_id: str
    sizes: Mapping[tuple[str, str], Size]
    prompt_limit: int
    max_references: int
    reference_form: str
    prices: Mapping[str, Decimal]
    setup: ModelSetup
    own_sizes: SizeRule | None = None
    min_references: int = 0
    local_sibling: tuple[str, str] | tuple[()] = ()
    tries_local: bool = False
    negative_prompt: str = "folded"
    takes_seed: bool = False
    takes_steps: bool = False
    price_extra_reference: Decimal = Decimal(0)
    included_references: int = 1
    token_prices: TokenPrices | None = None
    retirement: Retirement | None = None
    self_hosted: bool = False
    edit: EditRules | None = None
    watermark: bool | None = None
    reference_limits: ReferenceLimits | None = None
    max_reference_bytes: int = 128 * 1_048_576
    options: Mapping[str, Sequence[str] | range] = field(default_factory=dict)
    field_notes: Mapping[str, str | Message] = field(default_factory=dict)

    @property
    def is_for_rows(self) -> bool:
        """Whether rows can name it: it does more than change pictures that were made."""
        return self.model_id not in UPSCALERS and not (self.edit and self.edit.only)

    @property
    def local_reference_problem(self) -> str | Message:
        """Why local images cannot be used as references, and what to do; empty when they can."""
        if self.reference_form != "url" or not self.max_references:
            return ""
        text = "{model} 看不到这台电脑里的图：请换一个模型，或设置 OSS"
        if not self.local_sibling:
            return message(text, model=message(self.label))
        text = "{model} 看不到这台电脑里的图：请改用 {other}，或设置 OSS"
        return message(text, model=message(self.label), other=message(self.local_sibling[1]))

    def size(self, request: ImageRequest) -> Size:
        """Size in pixels for this request. Raises KeyError for a size that ``validate`` rejects."""
        own = self._own_size(request.edit, request.resolution)
        return own or self.sizes[request.aspect_ratio, request.resolution]

    def _own_size(self, edit: Edit | None, resolution: str) -> Size | None:
        """The size that is not one of the table's, if there is one."""
        return self.edit.size_of(edit) if edit and self.edit and self.edit.size_of else own_size(resolution)

    @property
    def has_watermark(self) -> bool:
        """Whether the service has a switch for its visible mark."""
        return self.watermark is not None

    @property
    def is_priced(self) -> bool:
        """Whether the price is known; 0 is a known price."""
        return bool(self.prices)

    @property
    def costs_nothing(self) -> bool:
        """Whether every price is known to be 0."""
        return self.is_priced and not any(self.prices.values())

    def price(self, request: ImageRequest) -> Decimal | None:
        """CNY for one picture of this request; None if unknown."""
        if not self.is_priced:
            return None
        own = self._own_size(request.edit, request.resolution)
        if self.token_prices and (size := own or self.sizes.get((request.aspect_ratio, request.resolution))):
            prices = self.token_prices.of(size)
            price = prices.get(request.quality, prices[""])
        else:
            tier = self.own_sizes.tier(own) if own and self.own_sizes else request.resolution
            price = self.prices.get(tier, Decimal(0))
        return price + self.price_extra_reference * max(len(request.pictures) - self.included_references, 0)

    def is_retired(self, today: date) -> bool:
        """Whether the service takes no orders for this model on that day."""
        return self.retirement is not None and today >= self.retirement.since

    def retirement_notice(self, today: date) -> Message | None:
        """When the model ends or ended, and what to do; None while no end is announced."""
        if not (end := self.retirement):
            return None
        text = "{model} 将在 {date} 停用，请在这之前到「模型与密钥」里改用 {successor}"
        if self.is_retired(today):
            text = "{model} 从 {date} 起已停用，请到「模型与密钥」里改用 {successor}"
        values = {"date": end.since.isoformat(), "successor": end.successor}
        return message(text, model=self.model_id, **values)

    def validate(
        self, request: ImageRequest, facts: Mapping[str, ReferenceInfo] = MappingProxyType({})
    ) -> list[InvalidRequest]:
        """Errors of this request for this model, found before it is charged; empty when valid.

        ``facts`` maps the URL of a reference image to its known properties.
        """
        found = self.unsupported(request)
        refusal = self.local_reference_problem
        if refusal and not all(image.url.startswith(_WEB) for image in request.sample_images):
            found.append(InvalidRequest("sample_images", refusal))
        known = [(image.filename, facts[image.url]) for image in request.sample_images if image.url in facts]
        for filename, info in known:
            if info.is_missing:
                text = "参考图「{filename}」找不到了，请重新选择"
                found.append(InvalidRequest("sample_images", text, filename=filename))
            elif self.reference_limits and (reason := self.reference_limits.violation(info)):
                text, model = "{model} 用不了参考图「{filename}」：它{reason}", message(self.label)
                values = {"model": model, "filename": filename, "reason": reason}
                found.append(InvalidRequest("sample_images", text, **values))
        return found

    def unsupported(self, request: ImageRequest) -> list[InvalidRequest]:
        """Errors for a size or a number of references this model does not support."""
        found, model = [], message(self.label)
        if problem := self._wrong_size(request.aspect_ratio, request.resolution):
            found.append(problem)
        if len(request.pictures) > self.max_references:
            text = "{model} 最多接受 {limit} 张参考图"
            found.append(InvalidRequest("sample_images", text, model=model, limit=self.max_references))
        if len(request.pictures) < self.min_references:
            text = "{model} 要有 {n} 张参考图"
            found.append(InvalidRequest("sample_images", text, model=model, n=self.min_references))
        for name, value in request.options.items():
            if (offered := self.options.get(name)) and value not in offered:
                found.append(self._wrong_option(name, value, offered))
        if request.edit:
            found += self._unsupported_edit(request.edit)
        is_transparent = "background" in self.options and request.background == "transparent"
        if is_transparent and request.output_format in _OPAQUE_FORMATS:
            text = "{format} 没有透明，要透明背景请把格式改成 png 或留空"
            found.append(InvalidRequest("output_format", text, format=request.output_format))
        return found

    def _unsupported_edit(self, edit: Edit) -> list[InvalidRequest]:
        model, rules = message(self.label), self.edit
        if not rules or edit.kind not in rules.kinds:
            return [InvalidRequest("model", "{model} 不能这样改图，请换一个模型", model=model)]
        if rules.takes == "boxes" and len(edit.boxes) > rules.boxes:
            text = "{model} 一次最多改 {limit} 处，现在有 {n} 处，请分几次改"
            return [InvalidRequest("mask", text, model=model, limit=rules.boxes, n=len(edit.boxes))]
        return []

    def _pair_of(self, own: Size) -> tuple[str, str] | None:
        """The ratio and resolution whose size this is."""
        return next((pair for pair, size in self.sizes.items() if size == own), None)

    def _wrong_size(self, ratio: str, resolution: str) -> InvalidRequest | None:
        own = own_size(resolution)
        values = {"model": message(self.label), "aspect_ratio": ratio, "resolution": resolution}
        if (ratio, resolution) in self.sizes:
            return None
        if own_size(ratio) or (own and ratio != own.aspect_ratio):
            text = "比例写的是 {aspect_ratio}，分辨率写的是 {resolution}，对不上：请清空一个，或改成一样的"
            return InvalidRequest("resolution", text, **values)
        if own and self._pair_of(own):
            return None
        if own and self.own_sizes:
            text = "{model} 做不了 {resolution}：{rule}"
            is_taken = self.own_sizes.accepts(own)
            rule = self.own_sizes.in_words
            return None if is_taken else InvalidRequest("resolution", text, **values, rule=rule)
        choices = tuple(each for each in RESOLUTIONS if (ratio, each) in self.sizes)
        if not choices and not own:
            text = "{model} 没有 {aspect_ratio} 这个比例，可选：{choices}"
            ratios = tuple(each for each in ASPECT_RATIOS if any(each == one for one, _ in self.sizes))
            return InvalidRequest("aspect_ratio", text, **values, choices=ratios)
        choices = choices or tuple(each for each in RESOLUTIONS if any(each == one for _, one in self.sizes))
        text = "{model} 没有 {aspect_ratio} 的 {resolution}，可选：{choices}"
        return InvalidRequest("resolution", text, **values, choices=choices)

    def _wrong_option(self, name: str, value: str | int, choices: Sequence[str] | range) -> InvalidRequest:
        if isinstance(choices, range):
            limits = {"low": choices.start, "high": choices.stop - 1}
            text = "{model} 只接受 {low}–{high}，现在是「{value}」"
            return InvalidRequest(name, text, model=message(self.label), value=value, **limits)
        text = "{model} 没有「{value}」，可选：{choices}"
        return InvalidRequest(name, text, model=message(self.label), value=value, choices=tuple(choices))

    def strip_unsupported(self, request: ImageRequest) -> ImageRequest:
        """The request without the fields this model ignores, so that they are not recorded as used.

        The strength of references is one of them where there are none. An own size that is that of a ratio
        and resolution is written as these: both are the same call.
        """
        takes_strength = "reference_strength" in self.options and request.sample_images
        kept = {
            "seed": request.seed if self.takes_seed else None,
            "steps": request.steps if self.takes_steps else None,
            "reference_strength": request.reference_strength if takes_strength else None,
            "background": request.background if "background" in self.options else "",
            "output_format": request.output_format if "output_format" in self.options else "",
            "quality": request.quality if "quality" in self.options else "",
        }
        if (own := own_size(request.resolution)) and (pair := self._pair_of(own)):
            kept |= {"aspect_ratio": pair[0], "resolution": pair[1]}
        changed = {name: value for name, value in kept.items() if getattr(request, name) != value}
        return replace(request, **changed) if changed else request  # type: ignore[arg-type]


class Models(Mapping[str, ModelSpec]):
    """The specs of the models that rows can name, by id; the first is the default.

    One that only changes pictures, which rows cannot name, is found by its id and not iterated over.
    """

    def __init__(self, specs: Iterable[ModelSpec]) -> None:
        self._specs = {spec.model_id: spec for spec in specs}
        self.default = next(iter(self.values()), next(iter(self._specs.values())))

    @property
    def all(self) -> list[ModelSpec]:
        """The specs of all models, those that only change pictures too."""
        return list(self._specs.values())

    @property
    def ids(self) -> list[str]:
        """The ids of all models, those that only change pictures too."""
        return list(self._specs)

    @property
    def upscaler(self) -> ModelSpec | None:
        """The model that enlarges pictures; None without one."""
        return next((spec for spec in self._specs.values() if spec.model_id in UPSCALERS), None)

    def __getitem__(self, model_id: str) -> ModelSpec:
        return self._specs[model_id]

    def __iter__(self) -> Iterator[str]:
        return (model_id for model_id, spec in self._specs.items() if spec.is_for_rows)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def find(self, written: str) -> ModelSpec:
        """The model of this id, name or label; empty stands for the default.

        Letter case, spaces, hyphens and underscores do not matter.
        A name stands for the first model of that name. Raises InvalidRequest.
        """
        key = _plain(written) if len(written) <= 10 * MAX_MODEL_LENGTH else written
        if not key:
            return self.default
        for spec in self.values():
            if key in map(_plain, (spec.model_id, spec.name, spec.label)):
                return spec
        if key in map(_plain, UPSCALERS):
            raise InvalidRequest("model", "这个模型只用来放大，请打开原来那张图片，按「放大到 4K」")
        if key in map(_plain, self.keys() ^ self._specs.keys()):
            raise InvalidRequest("model", "这个模型只用来改图，请打开一张做好的图片，按「改图」")
        text = "没有叫「{model}」的模型，可选：{choices}"
        choices = tuple(spec.label for spec in self.values())
        raise InvalidRequest("model", text, model=written[:60], choices=choices)

    def of(self, request: ImageRequest) -> ModelSpec:
        """The spec of the model that makes this request: its own, else the default takes its place.

        Raises Conflict when no other model can.
        """
        if problem := self._missing_model(request.model, request.edit):
            raise Conflict(problem)
        return self._specs.get(request.model, self.default)

    def accept(self, request: ImageRequest) -> ImageRequest:
        """The request with the id of the model that makes it, and without what that model ignores."""
        spec = self.of(request)
        accepted = spec.strip_unsupported(request)
        return accepted if accepted.model == spec.model_id else replace(accepted, model=spec.model_id)

    def price(self, request: ImageRequest) -> Decimal | None:
        """CNY for one picture of this request; None if unknown, or if no model can make it."""
        if self._missing_model(request.model, request.edit):
            return None
        return self._specs.get(request.model, self.default).price(request)

    def unsupported(self, request: ImageRequest) -> list[InvalidRequest]:
        """What the model that makes this request does not support of it."""
        if problem := self._missing_model(request.model, request.edit):
            return [InvalidRequest("model", problem)]
        return self.of(request).unsupported(request)

    def first_trial(self, requests: Sequence[ImageRequest], is_made: Callable[[str], bool]) -> int | None:
        """The index of the request to be made before the others of its table; None when all may be made.

        It has references that its model may not look at. ``is_made``: whether the table has an image of
        references by the model of this id.
        """
        trials: dict[str, int] = {}
        for index, request in enumerate(requests):
            spec = self.of(request)
            if spec.tries_local and not all(image.url.startswith(_WEB) for image in request.sample_images):
                trials.setdefault(spec.model_id, index)
        if len(requests) == 1:
            return None
        return next((index for model, index in trials.items() if not is_made(model)), None)

    def _missing_model(self, model_id: str, edit: Edit | None) -> Message | None:
        if model_id in self._specs:
            return None
        if model_id in UPSCALERS:
            return message("放大要用即梦的密钥，请在「模型与密钥」里填好")
        text = "改这张图的模型 {model} 现在用不了，请在「模型与密钥」里检查"
        return message(text, model=model_id) if edit else None


@lru_cache(maxsize=1024)
def _plain(written: str) -> str:
    return _GAPS.sub("", normal_text(written).casefold())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatistics:
    """What was measured of a model: seconds an image takes, their mean absolute deviation, and the
    concurrency that throttling left. None: not known, or the concurrency is what the setting allows.
    """

    seconds: float | None = None
    deviation: float | None = None
    concurrency: float | None = None
