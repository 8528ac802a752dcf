"""The protocol that every image provider implements, with its value types and shared helpers."""

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urljoin

from app.domain import (
    RESOLUTION_AREAS,
    RESOLUTIONS,
    USUAL_RATIOS,
    GeneratedImage,
    ImageRequest,
    ModelSpec,
    Reference,
    Size,
    SizeRule,
    exact_size,
)
from app.errors import Message, SettingError
from app.providers.http import decode_base64
from app.providers.latency import LatencyEstimate
from app.setting import concurrency, int_between, price, read_bool, read_money, setting

_COUNT_NAME, _MAX_COUNT, _MAX_COUNTS = r"\w{1,40}", 10**12, 20
_STEPS, _GOOD_RATIO = 12, 0.004  # how far ``size_like`` looks, and which difference it does not mind
_ANY_SIZE = SizeRule()
LONGEST_TASK_ID = 8192  # characters; it is stored with the record

Sleep = Callable[[float], None]  # sleeps for that many seconds; raises when the worker is stopping


def _read_rate(variable: str, value: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", value) or not Decimal(value):
        raise SettingError(variable, "应为 1 美元合多少元，例如 7.1，现在是「{value}」", value=value)
    return Decimal(value)


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The settings of all services. ``model_timeout`` is in seconds."""

    model_concurrency: int = concurrency(4)
    model_timeout: int = setting(300, int_between(1, 86_400), "一张图最多等多少秒")
    price_per_image: Decimal | None = price()
    usd_cny: Decimal | None = setting(
        None, _read_rate, "1 美元合多少元", example="按美元收费的服务用它估价", agrees=True
    )
    watermark: bool = setting(False, read_bool, "请服务加可见的 AI 标识")
    budget: Decimal | None = setting(None, read_money, agrees=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """The result of one submission: a task id to fetch the image with, or the image itself.

    ``usage`` is what the service reports of the call, by its names; see ``reported_usage``. ``cost`` is CNY,
    if the service that bills the call says so; None: the price of the request.
    """

    task_id: str | None = None
    image: GeneratedImage | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """The result of a key check: whether the key was verified, and one sentence on what remains unknown."""

    verified: bool
    text: Message


class Provider(Protocol):
    """A client of one service. Methods raise only ModelError for failures of the service."""

    @property
    def spec(self) -> ModelSpec:
        """The spec: what the model accepts and costs."""

    @property
    def latency(self) -> LatencyEstimate | None:
        """The estimate that its polls follow; None when the service answers only when the image is done."""

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Submit once. The only call that costs money: never retried internally."""

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Wait for a submitted task and fetch its image. Free; may be repeated with the same task id."""

    def check_key(self) -> KeyCheck:
        """Check the key with a free call. Raises ModelError when submissions would be refused."""


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
