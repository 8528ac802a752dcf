"""File names of images: converts user input to names valid on every file system.

Accesses the disk only to check which names are taken.
"""

import contextlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path, PurePath

from app.domain import Pick, Record, file_key, normalised
from app.system import windows_files

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")

# A name is at most 255 bytes of UTF-8; this reserves space for image number, counter and extension.
MAX_STEM_BYTES = 255 - len("_10-99999.webp.part")
MAX_RESERVED_BYTES = 255 - len(".webp.part")  # including number and counter, as assigned to a record
_ANY_UNITS = 255  # UTF-16 units; never more than UTF-8 bytes
_MAX_INPUT_LENGTH = 2_000  # characters; the rest of a name is ignored
MAX_DEFAULT_LENGTH = 24
_MAX_FOLDER_BYTES = 200
_MAX_PATH_UNITS = 249  # of a path in a ZIP, in UTF-16 units

_MAX_SINGLE_CHECKS = 20  # after that, listing the folder once is faster

_LINE_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_REFUSED = re.compile(r'[<>:"/\\|?*]+')
_TYPED_ENDING = re.compile(r"\.(png|jpe?g|webp|gif|bmp)$", re.IGNORECASE)
_DEVICE = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$) *(\.|$)", re.IGNORECASE
)
_JOINERS = "\u200c\u200d"
_PAUSES = " ，。、；：！？…,.;:!?"
PICK_RANKS: Mapping[str, int] = {Pick.KEEP: 0, Pick.REJECT: 2}  # which pictures of a row are delivered first


def safe_stem(text: str, *, max_bytes: int = MAX_STEM_BYTES, max_units: int = _ANY_UNITS) -> str:
    """Convert user input to a base name valid on every file system; ``""`` if nothing is left.

    Keeps letters of every script, removes extensions such as ``.png``. Idempotent.
    """
    if not text:
        return ""
    stem = normalised("NFC", _LINE_BREAKS.sub(" ", text[:_MAX_INPUT_LENGTH]))
    if not stem.isprintable():
        stem = "".join(char for char in stem if char in _JOINERS or unicodedata.category(char)[0] != "C")
        stem = normalised("NFC", stem)
    parts = _REFUSED.split(stem)
    if len(parts) > 1:
        stem = "_".join(part.strip(".") for part in parts if part.strip("."))
    stem = _trimmed(stem)
    if _DEVICE.match(stem):
        stem = f"_{stem}"
    return _trimmed(fit(stem, max_bytes, max_units))


def stem_from_prompt(prompt: str) -> str:
    """A default base name of at most 24 characters, cut at punctuation if possible; never empty."""
    stem = safe_stem(prompt[:400])
    if len(stem) > MAX_DEFAULT_LENGTH:
        head = _whole_clusters(stem, MAX_DEFAULT_LENGTH)
        pause = max(map(head.rfind, _PAUSES))
        stem = safe_stem(head[:pause] if pause > MAX_DEFAULT_LENGTH // 3 else head)
    return stem.rstrip(_PAUSES) or "图片"


def filename_for(output_dir: Path, filename: str, prompt: str) -> str:
    """The base name for images of this row, leaving space for number and counter; never empty."""
    length = max_stem_length(output_dir) - len("_10-99999")
    return safe_stem(filename, max_units=length) or stem_from_prompt(prompt)


def archive_path(requested: str, name: str) -> str:
    """The path of an image in a ZIP: ``name`` below the folders of the requested name.

    Each part is valid on every file system, and the path has fewer than 250 characters: folders that do not
    fit are left out.
    """
    parts = [
        part
        for folder in requested.split("/")[:-1]
        if (part := safe_stem(folder, max_bytes=_MAX_FOLDER_BYTES))
    ]
    while parts and windows_files.utf16_length("/".join([*parts, name])) > _MAX_PATH_UNITS:
        parts.pop()
    return "/".join([*parts, name])


def unique_path(path: str, taken: set[str]) -> str:
    """The path, or with a counter before its extension one that is not among these keys; adds its key."""
    stem, dot, ending = path.rpartition(".")
    found, number = path, 1
    while file_key(found) in taken:
        number += 1
        found = f"{stem}-{number}{dot}{ending}"
    taken.add(file_key(found))
    return found


def requested_stem(requested: str) -> str:
    """The base name that was asked for, without its folders; empty if none was."""
    return safe_stem(requested.rpartition("/")[2])


def delivered_names(records: Iterable[Record]) -> list[str]:
    """The name under which the picture of each record is delivered; "" for one without a file.

    What leaves of a row are the pictures that were kept, else the newest, as many as it asks for. One has
    exactly the requested name, without the counter that the disk may have added; several are numbered. Any
    other picture keeps the name of its file, as one for which no name was asked does.
    """
    names: list[str] = []
    rows: dict[object, list[tuple[int, int, int, int, int, str]]] = defaultdict(list)
    for index, record in enumerate(records):
        names.append(record.filename)
        stem, stored = requested_stem(record.requested_filename), safe_stem(record.requested_filename)
        if record.filename and stem:
            if record.filename.startswith(stored):  # without the folders, which are in the path
                names[-1] = stem + record.filename[len(stored) :]
            rank, wanted = PICK_RANKS.get(record.pick, 1), record.num_images
            row = record.batch_id or record.id, record.row_number
            rows[row].append((rank, -record.id, index, record.picture_number, wanted, stem))
    for pictures in rows.values():
        pictures.sort()
        *_, wanted, stem = pictures[0]
        leaving = sum(rank == PICK_RANKS[Pick.KEEP] for rank, *_ in pictures) or wanted
        numbers = numbers_of([(number, i) for _, _, i, number, *_ in pictures[:leaving]], wanted)
        for index, number in numbers.items():
            ending = f"_{number}" if len(numbers) > 1 else ""
            names[index] = f"{stem}{ending}{PurePath(names[index]).suffix}"
        taken = {file_key(names[index]) for index in numbers}
        for _, _, index, *_ in pictures[leaving:]:
            names[index] = unique_path(names[index], taken)
    return names


def numbers_of(pictures: Iterable[tuple[int, int]], wanted: int) -> dict[int, int]:
    """The numbers of pictures of one row that leave together: (number in the row, id) -> number by id.

    That of the row, unless another one has it or the row asks for fewer: then the next free one.
    """
    pictures = sorted(pictures)
    counts = Counter(number for number, _ in pictures)
    own = {each: n for n, each in pictures if counts[n] == 1 and n <= max(wanted, 1)}
    free = (number for number in count(1) if number not in own.values())
    return {each: own.get(each) or next(free) for _, each in pictures}


def is_taken(output_dir: Path, stem: str) -> bool:
    """Whether an image with this base name and any extension exists. Does not list the folder."""
    return any(os.path.lexists(output_dir / f"{stem}{ending}") for ending in PICTURE_ENDINGS)


class TakenStems:
    """``is_taken`` for many base names: after the first few, the folder is listed once."""

    def __init__(self, output_dir: Path) -> None:
        self._output_dir = output_dir
        self._checks = 0
        self._stems: set[str] | None = None

    def __call__(self, stem: str) -> bool:
        self._checks += 1
        if self._checks <= _MAX_SINGLE_CHECKS:
            return is_taken(self._output_dir, stem)
        if self._stems is None:
            self._stems = _list_stems(self._output_dir)
        return file_key(stem) in self._stems


def _list_stems(output_dir: Path) -> set[str]:
    """The base names of the images in the folder, as ``file_key``; empty if it is not readable."""
    with contextlib.suppress(OSError), os.scandir(output_dir) as entries:
        names = (Path(entry.name) for entry in entries)
        return {file_key(name.stem) for name in names if name.suffix.lower() in PICTURE_ENDINGS}
    return set()


def max_stem_length(output_dir: Path) -> int:
    """The maximum length of a base name with number and counter in the folder, in UTF-16 units."""
    max_units = windows_files.max_name_length(output_dir)
    return _ANY_UNITS if max_units is None else min(_ANY_UNITS, max_units - len(".webp"))


def with_counter(stem: str, number: int, max_units: int = _ANY_UNITS) -> str:
    """``猫`` -> ``猫``, ``猫-2``, ``猫-3``…, shortened to make space for the counter."""
    counter = "" if number == 1 else f"-{number}"
    return fit(stem, MAX_RESERVED_BYTES - len(counter), max_units - len(counter)) + counter


def fit(text: str, max_bytes: int, max_units: int = _ANY_UNITS) -> str:
    """Truncate to UTF-8 bytes and UTF-16 units, between grapheme clusters."""
    if 4 * len(text) <= max_bytes and 2 * len(text) <= max_units:
        return text
    length = len(text.encode()[:max_bytes].decode(errors="ignore"))
    if windows_files.utf16_length(text[:length]) > max_units:
        length = len(text.encode("utf-16-le")[: 2 * max_units].decode("utf-16-le", errors="ignore"))
    return text if length == len(text) else _whole_clusters(text, length)


def _trimmed(stem: str) -> str:
    before = None
    while stem != before:
        before, stem = stem, _TYPED_ENDING.sub("", stem.strip().rstrip(".")).strip().lstrip(".-").strip()
    return stem


def _whole_clusters(text: str, length: int) -> str:
    while 0 < length < len(text) and _is_inside_cluster(text, length):
        length -= 1
    return text[:length]


def _is_inside_cluster(text: str, at: int) -> bool:
    """Whether ``at`` is inside a grapheme cluster: an accent, skin tone, joined emoji or flag."""
    before, after = text[at - 1], text[at]
    if before in _JOINERS or after in _JOINERS or unicodedata.category(after)[0] == "M":
        return True
    flags = len(text[:at]) - len(text[:at].rstrip("".join(map(chr, range(0x1F1E6, 0x1F200)))))
    return "\U0001f3fb" <= after <= "\U0001f3ff" or (flags % 2 == 1 and "\U0001f1e6" <= after <= "\U0001f1ff")
