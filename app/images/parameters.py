"""Parses generation parameters in AUTOMATIC1111 format, written by us or another tool."""

import json
import re
from dataclasses import dataclass

# The length of a name is limited, so that parsing untrusted text takes linear time.
_SETTING = re.compile(r'([A-Za-z][\w \-/]{0,40}):\s*("(?:\\.|[^\\"])*+"|[^,]*)(?:,|$)')
_NEGATIVE = re.compile(r"^Negative prompt:", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The generation parameters of an image; None or empty if missing. ``text`` is the unparsed text."""

    prompt: str
    negative_prompt: str
    seed: int | None
    steps: int | None
    width: int | None
    height: int | None
    model: str
    record_id: int | None
    text: str


def parse(text: str) -> Parameters:
    """Parse prompt, ``Negative prompt: …`` and a line of settings; each may be missing."""
    described, settings = _parted(text)
    prompt, *negative = _NEGATIVE.split(described, maxsplit=1)
    width, _, height = settings.get("Size", "").partition("x")
    return Parameters(
        prompt=prompt.strip(),
        negative_prompt="".join(negative).strip(),
        seed=_whole(settings.get("Seed")),
        steps=_whole(settings.get("Steps")),
        width=_whole(width),
        height=_whole(height),
        model=settings.get("Model", ""),
        record_id=_whole(settings.get("Record")),
        text=text,
    )


def _parted(text: str) -> tuple[str, dict[str, str]]:
    """Split into (prompts, settings of the last line); settings are empty if it has none."""
    described, _, last = text.rstrip().rpartition("\n")
    settings = {name: _unquoted(value) for name, value in _SETTING.findall(last)}
    if "Size" in settings or "Seed" in settings or "Steps" in settings:
        return described, settings
    return text, {}


def _unquoted(value: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _whole(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"[0-9]{1,18}", value) else None
