"""The text that a picture carries, taken apart again: the AUTOMATIC1111 form, ours or another tool's."""

import json
import re
from dataclasses import dataclass

# A name has an end, so that no picture that somebody drops in takes longer than its length to read.
_SETTING = re.compile(r'([A-Za-z][\w \-/]{0,40}):\s*("(?:\\.|[^\\"])*+"|[^,]*)(?:,|$)')
_NEGATIVE = re.compile(r"^Negative prompt:", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a picture says of how it was made; None or empty where it says nothing. ``text`` is all of it."""

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
    """Prompt, ``Negative prompt: …``, then a line of settings; any of the three may be missing."""
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
    """(the prompts, the settings of the last line if it is one of settings)."""
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
