"""The image models that can be ordered from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from app.domain.model_spec import ModelSpec
from app.domain.requests import ImageRequest
from app.domain.validation import normal_text
from app.errors import InvalidRequest


class Models(Mapping[str, ModelSpec]):
    """The specs of the models, by id; the first is the default."""

    def __init__(self, specs: Iterable[ModelSpec]) -> None:
        self._specs = {spec.model_id: spec for spec in specs}
        self.default = next(iter(self._specs.values()))

    def __getitem__(self, model_id: str) -> ModelSpec:
        return self._specs[model_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def find(self, written: str) -> ModelSpec:
        """The model of this id, name or label, in any letter case; empty stands for the default.

        A name stands for the first model of that name. Raises InvalidRequest.
        """
        key = normal_text(written).casefold()
        if not key:
            return self.default
        for spec in self.values():
            if key in (spec.model_id.casefold(), spec.name, normal_text(spec.label).casefold()):
                return spec
        text = "没有叫「{model}」的模型，可选：{choices}"
        choices = tuple(spec.label for spec in self.values())
        raise InvalidRequest("model", text, model=written[:60], choices=choices)

    def of(self, request: ImageRequest) -> ModelSpec:
        """The spec of the model that makes this request: its own, else the default takes its place."""
        return self._specs.get(request.model, self.default)

    def accept(self, request: ImageRequest) -> ImageRequest:
        """The request with the id of the model that makes it, and without what that model ignores."""
        spec = self.of(request)
        return replace(spec.strip_unsupported(request), model=spec.model_id)

    def price(self, request: ImageRequest) -> Decimal | None:
        """CNY for one picture of this request; None if unknown."""
        return self.of(request).price(request)

    def unsupported(self, request: ImageRequest) -> list[InvalidRequest]:
        """What the model that makes this request does not support of it."""
        return self.of(request).unsupported(request)
