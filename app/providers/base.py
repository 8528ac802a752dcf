"""The protocol that every image provider implements, with its value types, and the settings of all."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from app.domain import GeneratedImage, ImageRequest, ModelSpec, Reference
from app.errors import Message, SettingError
from app.providers.polling import LatencyEstimate
from app.setting import concurrency, int_between, price, read_bool, read_money, setting

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
