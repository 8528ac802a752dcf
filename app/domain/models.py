"""The image models that can be ordered from."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from app.domain.model_spec import ModelSpec
from app.domain.requests import ImageRequest
from app.domain.row_fields import MAX_MODEL_LENGTH
from app.domain.validation import normal_text
from app.errors import Conflict, InvalidRequest, Message, message

# Models that enlarge a picture: no other model can take the place of one.
UPSCALERS = frozenset({"jimeng_i2i_seed3_tilesr_cvtob"})
_GAPS = re.compile(r"[\s_-]+")


class Models(Mapping[str, ModelSpec]):
    """The specs of the models that rows can name, by id; the first is the default.

    An upscaler, which rows cannot name, is found by its id and not iterated over.
    """

    def __init__(self, specs: Iterable[ModelSpec]) -> None:
        self._specs = {spec.model_id: spec for spec in specs}
        self.default = next(iter(self.values()), next(iter(self._specs.values())))

    @property
    def all(self) -> list[ModelSpec]:
        """The specs of all models, the upscaler too."""
        return list(self._specs.values())

    @property
    def ids(self) -> list[str]:
        """The ids of all models, the upscaler too."""
        return list(self._specs)

    @property
    def upscaler(self) -> ModelSpec | None:
        """The model that enlarges pictures; None without one."""
        return next((spec for spec in self._specs.values() if spec.model_id in UPSCALERS), None)

    def __getitem__(self, model_id: str) -> ModelSpec:
        return self._specs[model_id]

    def __iter__(self) -> Iterator[str]:
        return (model_id for model_id in self._specs if model_id not in UPSCALERS)

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
        text = "没有叫「{model}」的模型，可选：{choices}"
        choices = tuple(spec.label for spec in self.values())
        raise InvalidRequest("model", text, model=written[:60], choices=choices)

    def of(self, request: ImageRequest) -> ModelSpec:
        """The spec of the model that makes this request: its own, else the default takes its place.

        Raises Conflict when no other model can.
        """
        if problem := self._missing_upscaler(request):
            raise Conflict(problem)
        return self._specs.get(request.model, self.default)

    def accept(self, request: ImageRequest) -> ImageRequest:
        """The request with the id of the model that makes it, and without what that model ignores."""
        spec = self.of(request)
        accepted = spec.strip_unsupported(request)
        return accepted if accepted.model == spec.model_id else replace(accepted, model=spec.model_id)

    def price(self, request: ImageRequest) -> Decimal | None:
        """CNY for one picture of this request; None if unknown, or if no model can make it."""
        return None if self._missing_upscaler(request) else self.of(request).price(request)

    def unsupported(self, request: ImageRequest) -> list[InvalidRequest]:
        """What the model that makes this request does not support of it."""
        if problem := self._missing_upscaler(request):
            return [InvalidRequest("model", problem)]
        return self.of(request).unsupported(request)

    def _missing_upscaler(self, request: ImageRequest) -> Message | None:
        if request.model in UPSCALERS and request.model not in self._specs:
            return message("放大要用即梦的密钥，请在「模型与密钥」里填好")
        return None


@lru_cache(maxsize=1024)
def _plain(written: str) -> str:
    return _GAPS.sub("", normal_text(written).casefold())
