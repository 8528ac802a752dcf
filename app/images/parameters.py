"""Generation parameters as text in AUTOMATIC1111 format, written by us or another tool."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.domain import ImageRequest, Size

# The length of a name is limited, so that parsing untrusted text takes linear time.
_SETTING = re.compile(r'([A-Za-z][\w \-/]{0,40}):\s*("(?:\\.|[^\\"])*+"|[^,]*)(?:,|$)')
_DEFAULT = "default"
_UNKNOWN_SIZE = "Size: ?"
_NEGATIVE = re.compile(r"^Negative prompt:", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The generation parameters of an image; None or empty if missing.

    ``own_size`` is the size that was asked for in the place of a resolution; ``text`` is the unparsed text.
    """

    prompt: str
    negative_prompt: str
    seed: int | None
    steps: int | None
    width: int | None
    height: int | None
    own_size: str
    model: str
    record_id: int | None
    text: str


def format_parameters(
    request: ImageRequest, size: Size | None, model: str, record_id: int, seed: int | None
) -> str:
    """Format parameters like AUTOMATIC1111: prompt, ``Negative prompt: …``, one line of ``Name: value``.

    Readers recognise the line by ``Steps`` and ``Sampler``; ``default`` means chosen by the provider.
    ``seed`` is the one actually used. Options that were asked for follow (``Background: transparent``).
    Without a size, ``with_size`` adds it after decoding.
    """
    values: Mapping[str, object] = {
        "Steps": _DEFAULT if request.steps is None else request.steps,
        "Sampler": _DEFAULT,
        "Schedule type": _DEFAULT,
        "Seed": seed,
        "Size": size or "?",
        "Own size": request.own_size,
        "Model": model,
        "Record": record_id,
        **{name.replace("_", " ").capitalize(): value for name, value in request.options.items()},
    }
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    used = [f"{name}: {_quoted(str(value))}" for name, value in values.items() if value is not None]
    return "\n".join([*lines, ", ".join(used)])


def with_size(text: str, width: int, height: int) -> str:
    """Replace the placeholder of an unknown size with the decoded size in pixels."""
    head, line_break, last = text.rpartition("\n")
    return head + line_break + last.replace(_UNKNOWN_SIZE, f"Size: {width}x{height}", 1)


def parse_parameters(text: str) -> Parameters:
    """Parse prompt, ``Negative prompt: …`` and a line of settings; each may be missing."""
    described, settings = _split(text)
    prompt, *negative = _NEGATIVE.split(described, maxsplit=1)
    width, _, height = settings.get("Size", "").partition("x")
    return Parameters(
        prompt=prompt.strip(),
        negative_prompt="".join(negative).strip(),
        seed=_integer(settings.get("Seed")),
        steps=_integer(settings.get("Steps")),
        width=_integer(width),
        height=_integer(height),
        own_size=settings.get("Own size", ""),
        model=settings.get("Model", ""),
        record_id=_integer(settings.get("Record")),
        text=text,
    )


def _split(text: str) -> tuple[str, dict[str, str]]:
    """Split into (prompts, settings of the last line); settings are empty if it has none."""
    described, _, last = text.rstrip().rpartition("\n")
    settings = {name: _unquoted(value) for name, value in _SETTING.findall(last)}
    if "Size" in settings or "Seed" in settings or "Steps" in settings:
        return described, settings
    return text, {}


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r"[,:\n]", value) else value


def _unquoted(value: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _integer(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"[0-9]{1,18}", value) else None
