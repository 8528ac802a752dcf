"""Names of picture files: from what a person wrote to what every file system takes.

Looks at the disk only to ask which names are taken.
"""

import contextlib
import os
import re
import unicodedata
from pathlib import Path

from app.domain import file_key
from app.system import windows_files

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")

# A name may be 255 bytes of UTF-8; room is left for a picture number, a counter and the ending.
MAX_STEM_BYTES = 255 - len("_10-99999.webp.part")
MAX_PROMISED_BYTES = 255 - len(".webp.part")  # with both, as a record is promised it
_ANY_UNITS = 255  # of UTF-16; never more than bytes of UTF-8
_LONGEST_WRITTEN = 2_000  # characters of a name that are looked at
MAX_DEFAULT_LENGTH = 24

_ASKED_BY_NAME = 20  # from then on one look into the folder takes less time

_LINE_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_REFUSED = re.compile(r'[<>:"/\\|?*]+')
_TYPED_ENDING = re.compile(r"\.(png|jpe?g|webp|gif|bmp)$", re.IGNORECASE)
_DEVICE = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$) *(\.|$)", re.IGNORECASE
)
_JOINERS = "\u200c\u200d"
_PAUSES = " ，。、；：！？…,.;:!?"


def safe_stem(text: str, *, max_bytes: int = MAX_STEM_BYTES, max_units: int = _ANY_UNITS) -> str:
    """What was written as a file name -> a stem that every system takes; ``""`` if nothing is left.

    Letters of every script stay; an ending such as ``.png`` goes. Safe stems come back as they are.
    """
    stem = unicodedata.normalize("NFC", _LINE_BREAKS.sub(" ", text[:_LONGEST_WRITTEN]))
    stem = "".join(sign for sign in stem if sign in _JOINERS or unicodedata.category(sign)[0] != "C")
    parts = _REFUSED.split(stem)
    if len(parts) > 1:
        stem = "_".join(part.strip(".") for part in parts if part.strip("."))
    stem = _trimmed(unicodedata.normalize("NFC", stem))
    if _DEVICE.match(stem):
        stem = f"_{stem}"
    return _trimmed(fit(stem, max_bytes, max_units))


def stem_from_prompt(prompt: str) -> str:
    """A readable default of at most 24 characters, cut at a pause when there is one; never empty."""
    stem = safe_stem(prompt[:400])
    if len(stem) > MAX_DEFAULT_LENGTH:
        head = _whole_signs(stem, MAX_DEFAULT_LENGTH)
        pause = max(head.rfind(sign) for sign in _PAUSES)
        stem = safe_stem(head[:pause] if pause > MAX_DEFAULT_LENGTH // 3 else head)
    return stem.rstrip(_PAUSES) or "图片"


def is_taken(output_dir: Path, stem: str) -> bool:
    """Whether a picture of that stem is there, whatever its ending. Asks for names, lists nothing."""
    return any(os.path.lexists(output_dir / f"{stem}{ending}") for ending in ENDINGS)


class TakenStems:
    """``is_taken`` for many stems: after the first few the folder is read once."""

    def __init__(self, output_dir: Path) -> None:
        self._output_dir = output_dir
        self._asked = 0
        self._listed: set[str] | None = None

    def __call__(self, stem: str) -> bool:
        self._asked += 1
        if self._asked <= _ASKED_BY_NAME:
            return is_taken(self._output_dir, stem)
        if self._listed is None:
            self._listed = _listed_stems(self._output_dir)
        return file_key(stem) in self._listed


def _listed_stems(output_dir: Path) -> set[str]:
    """The stems of the pictures in the folder, as they are compared; none while it is away."""
    with contextlib.suppress(OSError), os.scandir(output_dir) as entries:
        names = (Path(entry.name) for entry in entries)
        return {file_key(name.stem) for name in names if name.suffix.lower() in ENDINGS}
    return set()


def max_stem_length(output_dir: Path) -> int:
    """How long a stem with number and counter may be in that folder, in UTF-16 units."""
    room = windows_files.max_name_length(output_dir)
    return _ANY_UNITS if room is None else min(_ANY_UNITS, room - len(".webp"))


def with_counter(stem: str, number: int, max_units: int = _ANY_UNITS) -> str:
    """``猫`` -> ``猫``, ``猫-2``, ``猫-3``…, shortened where the counter would make it too long."""
    counter = "" if number == 1 else f"-{number}"
    return fit(stem, MAX_PROMISED_BYTES - len(counter), max_units - len(counter)) + counter


def fit(text: str, max_bytes: int, max_units: int = _ANY_UNITS) -> str:
    """As much as goes into that many bytes of UTF-8 and units of UTF-16, cut between whole signs only."""
    length = len(text.encode()[:max_bytes].decode(errors="ignore"))
    if windows_files.utf16_length(text[:length]) > max_units:
        length = len(text.encode("utf-16-le")[: 2 * max_units].decode("utf-16-le", errors="ignore"))
    return text if length == len(text) else _whole_signs(text, length)


def _trimmed(stem: str) -> str:
    before = None
    while stem != before:
        before, stem = stem, _TYPED_ENDING.sub("", stem.strip().rstrip(".")).strip().lstrip(".-").strip()
    return stem


def _whole_signs(text: str, length: int) -> str:
    while 0 < length < len(text) and _is_inside_sign(text, length):
        length -= 1
    return text[:length]


def _is_inside_sign(text: str, at: int) -> bool:
    """Whether cutting there would part an accent, a skin tone, a joined emoji or a flag from its sign."""
    before, after = text[at - 1], text[at]
    if before in _JOINERS or after in _JOINERS or unicodedata.category(after)[0] == "M":
        return True
    flags = len(text[:at]) - len(text[:at].rstrip("".join(map(chr, range(0x1F1E6, 0x1F200)))))
    return "\U0001f3fb" <= after <= "\U0001f3ff" or (flags % 2 == 1 and "\U0001f1e6" <= after <= "\U0001f1ff")
