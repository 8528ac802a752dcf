"""What the clients of the services share: families of models, the spec of a model, calls, and their answers.

A provider is a table of families by model id, a table of ``ErrorRule``, its settings, and a ``Service``.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from urllib.parse import urljoin

from app.domain import (
    MAX_PROMPT_LENGTH,
    OPTIONS,
    RESOLUTION_AREAS,
    RESOLUTIONS,
    USUAL_RATIOS,
    EditRules,
    GeneratedImage,
    ModelSetup,
    ModelSpec,
    Reference,
    ReferenceLimits,
    Retirement,
    Size,
    SizeRule,
    exact_size,
)
from app.errors import Billed, Message, ModelError, message
from app.providers import error_rules, key_check
from app.providers.base import LONGEST_TASK_ID, KeyCheck, ModelSettings, Sleep, SubmitResult
from app.providers.downloads import Downloads
from app.providers.error_rules import ErrorRule
from app.providers.http import Response, ServiceClient, decode_base64, secrets_in

_COUNT_NAME, _MAX_COUNT, _MAX_COUNTS = r"\w{1,40}", 10**12, 20
_STEPS, _GOOD_RATIO = 12, 0.004  # how far ``size_like`` looks, and which difference it does not mind
_ANY_SIZE = SizeRule()
# Why a model ignores a field.
_NOT_TAKEN = {
    "negative_prompt": "{model} 没有负面提示词这一项：会写成「画面中不要出现：…」加在提示词后面",
    "seed": "{model} 不接受种子，每次结果都不同",
    "steps": "{model} 不接受步数，由服务自己决定",
    "reference_strength": "{model} 不接受参考强度，请在提示词里写参考到什么程度",
    "background": "{model} 不能选背景，要透明背景请用 Seedream 5.5",
    "output_format": "{model} 不能选格式，由服务自己决定",
    "quality": "{model} 不分质量，请改分辨率",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the ids of a kind of models decide; fields that ``ModelSpec`` has as well are passed on to it.

    label            empty: the model id
    prices           CNY for 1K, 2K, 4K, or one for all; empty: none is published
    reference_price  CNY for each reference after the first ``included_references``
    retirement       when the service whose prices these are ends or ended the models
    has_switch       whether the service can be asked for its visible mark
    path             of the call, where the models of a service differ in it
    rewrites         whether it rewrites the prompt unless a field turns that off
    """

    label: str = ""
    ids: tuple[str, ...] = ()
    sizes: Mapping[tuple[str, str], Size] = field(default_factory=dict)
    own_sizes: SizeRule | None = None
    prompt_limit: int = MAX_PROMPT_LENGTH
    max_references: int = 0
    min_references: int = 0
    reference_form: str = "any"
    reference_limits: ReferenceLimits | None = None
    max_reference_bytes: int = 128 * 1_048_576
    negative_prompt: str = "folded"
    takes_seed: bool = False
    options: Mapping[str, Sequence[str] | range] = field(default_factory=dict)
    edit: EditRules | None = None
    prices: tuple[str | Decimal, ...] = ()
    reference_price: str | Decimal = "0"
    included_references: int = 1
    retirement: Retirement | None = None
    has_switch: bool = False
    path: str = ""
    rewrites: bool = False


AnyFamily = TypeVar("AnyFamily", bound=Family)
_PASSED_ON = {each.name for each in fields(Family)} & {each.name for each in fields(ModelSpec)}


def by_id(*families: AnyFamily) -> dict[str, AnyFamily]:
    """The families by the id of each of their models."""
    return {model: family for family in families for model in family.ids}


def spec_of(
    name: str,
    model_id: str,
    family: Family,
    settings: ModelSettings,
    setup: ModelSetup,
    *,
    is_origin: bool = True,
    notes: Mapping[str, str] | None = None,
    **more: Any,
) -> ModelSpec:
    """The spec of a model of this family.

    ``is_origin``: at this address, prices and retirement are those of the family. ``notes`` are those that
    differ from what follows from the family, ``more`` the fields that do.
    """
    taken = {"negative_prompt": family.negative_prompt == "field", "seed": family.takes_seed, "steps": False}
    taken |= {option: option in family.options for option in OPTIONS}
    label = message(family.label or model_id)
    ignored = {
        each: message(_NOT_TAKEN[each], model=label) for each, is_taken in taken.items() if not is_taken
    }
    has_list_price = is_origin and settings.price_per_image is None
    values = {each: getattr(family, each) for each in _PASSED_ON} | {
        "label": label.id,
        "prices": prices(settings.price_per_image, *(map(Decimal, family.prices) if is_origin else ())),
        "price_extra_reference": Decimal(family.reference_price if has_list_price else 0),
        "retirement": family.retirement if is_origin else None,
        "watermark": settings.watermark if family.has_switch else None,
        "field_notes": {**ignored, **(notes or {})},
    }
    return ModelSpec(name=name, model_id=model_id, setup=setup, **values | more)


class Service:
    """A client of a service that answers a call with an image or with its URL, which is the task id.

    label            display name of the service, for error messages
    errors           its table of errors
    may_be_free      whether its errors are believed where every price is 0
    without_task     whether an answer is the image itself, so that there is nothing to fetch
    variables        those of the key and of the URL, for the answers of ``check_key``
    listed_as        the field of the models in what it reads
    """

    label: ClassVar[Message]
    errors: Sequence[ErrorRule]
    may_be_free: ClassVar[bool] = False
    without_task: ClassVar[bool] = False
    variables: ClassVar[tuple[str, str]] = ("", "")
    listed_as: ClassVar[str] = "data"
    latency: None = None
    spec: ModelSpec

    def __init__(self, settings: ModelSettings, service: str, key: str = "", path: str = "") -> None:
        """``service`` is the URL that is set, ``path`` what every call adds to it."""
        self._base = f"{service}{path}"
        self._key = key
        self._secrets = (key, *secrets_in(service))
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = ServiceClient(self.label, service, timeout=settings.model_timeout)
        self._downloads = Downloads(self.label, service, timeout=settings.model_timeout)

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Download the image from the URL that submit returned. Raises ModelError where there is none."""
        if self.without_task:
            raise ModelError("这个服务的图片不能取回，请重新生成", cause="expired", billed=Billed.UNKNOWN)
        return GeneratedImage(content=self._downloads.fetch_with_retries(task_id, sleep))

    def check_key(self) -> KeyCheck:
        """Check the key by listing the models."""
        return key_check.list_models(
            self.label,
            self._base,
            self._key,
            model=self.spec.model_id,
            variables=self.variables,
            headers=self._headers,
            listed_as=self.listed_as,
        )

    def _post(self, path: str, body: Mapping[str, Any]) -> Response:
        return self._send(path, json.dumps(body, ensure_ascii=False).encode(), "application/json")

    def _send(self, path: str, content: bytes, media_type: str) -> Response:
        headers = {**self._headers, "Content-Type": media_type}
        return self._client.post_once(f"{self._base}{path}", headers=headers, content=content)

    def _ask(self, path: str) -> Response:
        """The answer to a free call, which tests the key. Raises ModelError where it is refused."""
        url = f"{self._base}{path}"
        answer = key_check.checked(
            self.label, self._base, lambda client: client.get(url, headers=self._headers)
        )
        if answer.status in (401, 403):
            raise self._error(answer)
        return answer

    def _first(
        self,
        answer: Response,
        images: Iterable[SubmitResult | None],
        usage: Mapping[str, int] | None = None,
        *,
        has_error: bool,
    ) -> SubmitResult:
        """The first image, whatever error stands beside it. Raises ModelError where there is none."""
        if image := next(filter(None, images), None):
            return replace(image, usage=usage or {})
        if answer.status == 200 and not has_error:
            raise error_rules.outcome_unknown(self.label, message("答复里没有图片"))
        problem = self._error(answer)
        is_believed = self.may_be_free and self.spec.costs_nothing
        raise problem if is_believed else error_rules.at_least_unknown(problem, answer.status, usage)

    def _error(self, answer: Response) -> ModelError:
        return self._error_of(answer.status, *error_rules.parse_error(answer.fields))

    def _error_of(
        self, status: int, code: str, detail: str, rules: Sequence[ErrorRule] | None = None
    ) -> ModelError:
        """What the rules, or those of the service, make of its code and message; both may be empty."""
        code, detail = (error_rules.redacted(each, *self._secrets) for each in (code, detail))
        rule = error_rules.find_rule(rules or self.errors, status, code)
        if rule and (code or detail):
            return rule.error(code or f"HTTP {status}", detail)
        return error_rules.unrecognised(self.label, status)


def within(found: Any, *names: str) -> Any:
    """The value of nested objects under these names; None where there is none."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def objects(found: Any, *names: str) -> list[dict[str, Any]]:
    """The objects in the list ``within`` these names; empty where there is none."""
    listed = within(found, *names)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def reported_usage(found: Any) -> dict[str, int]:
    """The whole numbers of a service's ``usage`` object, whatever else is in it; empty when it has none."""
    pairs = list(found.items()) if isinstance(found, dict) else []
    return {
        name: value
        for name, value in pairs[:_MAX_COUNTS]
        if re.fullmatch(_COUNT_NAME, name, re.ASCII) and type(value) is int and 0 <= value <= _MAX_COUNT
    }


def made_image(base: str, address: Any, content: Any = None) -> SubmitResult | None:
    """The image that an answer gives: by its address, which may be relative, or as base64 or a ``data:`` URL.

    None when there is none, or only an address that is too long to be a task id.
    """
    is_data = isinstance(address, str) and address.startswith("data:")
    if isinstance(address, str) and not is_data and 0 < len(address) <= LONGEST_TASK_ID:
        with suppress(ValueError):
            return SubmitResult(task_id=urljoin(f"{base}/", address))
    decoded = decode_base64(address if is_data else content)
    return None if decoded is None else SubmitResult(image=GeneratedImage(content=decoded))


def with_negative_prompt(prompt: str, negative_prompt: str) -> str:
    """Append the negative prompt to the prompt as text, for models without a field for it."""
    return f"{prompt}\n画面中不要出现：{negative_prompt}" if negative_prompt else prompt


def reference_address(reference: Reference) -> str:
    """Return a reference as one address: its bytes as a data URL, else its URL."""
    if reference.content is None:
        return reference.url or ""
    return f"data:{reference.media_type.lower()};base64,{base64.b64encode(reference.content).decode()}"


def prices(override: Decimal | None, *per_tier: Decimal) -> dict[str, Decimal]:
    """Return CNY per image by resolution: one price for all, or one each for 1K, 2K, 4K.

    ``override``, the price that is set, takes precedence. Empty without either: the price is unknown.
    """
    if override is None and not per_tier:
        return {}
    listed = per_tier * len(RESOLUTIONS) if len(per_tier) == 1 else per_tier
    return {tier: listed[n] if override is None else override for n, tier in enumerate(RESOLUTIONS)}


def size_like(width: int, height: int, *, minimum: int, maximum: int, multiple_of: int) -> Size:
    """The size nearest to this one whose area is within minimum and maximum, of nearly the same ratio."""
    area = width * height
    scale = math.sqrt(min(max(area, minimum), maximum) / area)
    middle, found = round(width * scale / multiple_of), list[tuple[float, int, Size]]()
    for across in range(max(middle - _STEPS, 1), middle + _STEPS + 1):
        down = max(round(across * height / width), 1)
        size = Size(width=across * multiple_of, height=down * multiple_of)
        error = abs(size.width * height / (size.height * width) - 1)
        if minimum <= size.area <= maximum:
            found.append((max(error, _GOOD_RATIO), abs(across - middle), size))
    return min(found, key=lambda each: each[:2])[2]


def by_shape(
    shapes: Sequence[str], **rows: Sequence[tuple[int, int]]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Published sizes by ratio and resolution; ``_2K`` are those of 2K, of the first of these shapes."""
    return {
        (shape, tier.strip("_")): size
        for tier, row in rows.items()
        for shape, size in zip(shapes, row, strict=False)
    }


def size_table(
    published: Mapping[tuple[str, str], tuple[int, int]],
    rule: SizeRule = _ANY_SIZE,
    *,
    resolutions: Sequence[str] = RESOLUTIONS,
    ratios: Sequence[str] = USUAL_RATIOS,
) -> dict[tuple[str, str], Size]:
    """Return sizes for every ratio and resolution: the published ones (swapped for portraits), else computed.

    Computed sizes have exactly the ratio, and the area nearest to the tier's that the rule accepts.
    """
    table = {}
    for ratio in ratios:
        for tier in resolutions:
            turned = ":".join(reversed(ratio.split(":")))
            height, width = published.get((turned, tier), (0, 0))
            width, height = published.get((ratio, tier), (width, height))
            size = Size(width=width, height=height) if width else None
            table[ratio, tier] = size or exact_size(ratio, RESOLUTION_AREAS[tier], rule)
    return table
