"""What the page shows of each image service, and the fields of its settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

import generator
from app.config import SERVICES, SETTINGS
from app.domain import ModelSpec
from app.errors import Message, message
from app.settings.providers import Variable
from app.web.services import Services

_NO_HINTS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingField:
    """A field for a variable; its ``value`` is empty for a secret, and for a default, a placeholder."""

    name: str
    label: str
    value: str
    placeholder: str
    is_set: bool
    is_secret: bool
    is_password: bool
    is_switch: bool
    from_environment: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A service with its models, the configured one first, and its fields.

    ``state`` is ready, missing or ended; ``refusal`` is why the service refused the key.
    """

    name: str
    specs: list[ModelSpec]
    state: str
    is_default: bool
    prices: list[str | Message]
    notice: Message | None
    refusal: Message | None = None
    fields: list[SettingField] = field(default_factory=list)
    has_settings: bool = False

    @property
    def spec(self) -> ModelSpec:
        """The configured model."""
        return self.specs[0]

    @property
    def needed(self) -> list[SettingField]:
        """The fields that it asks for first."""
        return [each for each in self.fields if SETTINGS[each.name].example]

    @property
    def has_watermark(self) -> bool:
        """Whether any of its models has a switch for its visible mark."""
        return any(spec.has_watermark for spec in self.specs)


def list_cards(current: Services, variables: Mapping[str, Variable]) -> list[Card]:
    """Every image service, the default first."""
    settings, today = current.settings, date.today()
    by_provider: dict[str, list[ModelSpec]] = {settings.image_model: []}
    for spec in generator.list_specs(settings):
        by_provider.setdefault(spec.name, []).append(spec)
    cards = []
    for name, specs in by_provider.items():
        own, is_default = f"{name.upper()}_PRICE", name == settings.image_model
        has_general = is_default and getattr(settings, own.lower(), None) is None
        price = "PRICE_PER_IMAGE" if has_general and settings.price_per_image is not None else own
        names = [price if each == own else each for each in SERVICES[name]]
        refusals = (engine.refusal for engine in current.runtime.engines if engine.spec.name == name)
        hint = "按公开的价格" if specs[0].is_priced else "填了才能统计费用"
        state = "ended" if specs[0].is_retired(today) else "ready" if settings.is_ready(name) else "missing"
        cards.append(
            Card(
                name=name,
                specs=specs,
                state=state,
                is_default=is_default,
                prices=[_price(spec) for spec in specs],
                notice=specs[0].retirement_notice(today),
                refusal=next(filter(None, refusals), None),
                fields=list_fields(current, names, variables, {price: hint}),
                has_settings=bool(SERVICES[name]),
            )
        )
    return cards


def list_fields(
    current: Services,
    names: Iterable[str],
    variables: Mapping[str, Variable],
    hints: Mapping[str, str] = _NO_HINTS,
) -> list[SettingField]:
    """Those of the variables that can be read; ``hints`` are placeholders besides the examples."""
    found = []
    for name in names:
        if (shown := variables.get(name)) is None:
            continue
        declared, is_set = SETTINGS[name], shown.source == "set"
        placeholder = hints.get(name, declared.example)
        if shown.source == "default":
            placeholder = shown.value or ""
        elif is_set and shown.secret:
            placeholder = "已填，不显示"
        elif declared.kind == "concurrency":
            placeholder = str(current.settings.model_concurrency)
        found.append(
            SettingField(
                name=name,
                label=declared.label,
                value=(shown.value or "") if is_set else "",
                placeholder=placeholder,
                is_set=is_set,
                is_secret=shown.secret,
                is_password=shown.secret and declared.kind != "address",
                is_switch=isinstance(declared.default, bool),
                from_environment=shown.from_environment,
            )
        )
    return found


def _price(spec: ModelSpec) -> str | Message:
    if not spec.is_priced:
        return "价格未设"
    lowest, highest = min(spec.prices.values()), max(spec.prices.values())
    if highest:
        text = "¥{lowest} 一张" if lowest == highest else "¥{lowest}–{highest} 一张"
        return message(text, lowest=f"{lowest:.2f}", highest=f"{highest:.2f}")
    return spec.setup.free
