"""Which file a delivery makes of which picture, under which name, and what is in the way. Pure.

Names come from templates: ``{文件名}`` is the name asked for with its folders, ``{序号}`` counts the files
that are otherwise named alike, ``{行号}`` and every own column are values of the row.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from app.delivery.checks import Check
from app.delivery.profiles import Profile
from app.domain import file_key
from app.domain.variables import variable_key
from app.errors import Message, message
from app.images.containers import ENDING_OF
from app.images.filenames import MAX_STEM_BYTES, numbers_of, safe_stem, unique_path
from app.system import windows_files

_VARIABLE = re.compile(r"\{([^{}\n]+)\}")
NAME, NUMBER, ROW = "文件名", "序号", "行号"
_UNNAMED = "图片"  # never words of the prompt
_MISSING = {
    "empty": "这一行的「{name}」是空的，请填好这一格",
    "file_name": "文件名要用「{name}」，这张表没有这一列",
    "folder": "文件夹要用「{name}」，这张表没有这一列",
}
_LEAST_DIGITS = 2
_MAX_FOLDER_BYTES = 200
_MAX_PATH_UNITS = 249  # UTF-16 units of a path in a ZIP
_ANY_LENGTH = 8_000  # more than a template makes


class Picture(NamedTuple):
    """A picture of a row: its record, its number in the row, its file, and its size in pixels if known.

    ``refused`` says why the profile must not be applied to it.
    """

    record_id: int
    number: int
    filename: str
    width: int | None
    height: int | None
    refused: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A row of which something is to be delivered. ``wanted`` is how many pictures it asks for, ``requested``
    the name. ``row_id`` is 0 for a record that is chosen outside a table."""

    row: int
    row_id: int
    wanted: int
    requested: str
    columns: Mapping[str, str]
    pictures: Sequence[Picture]

    @property
    def record_ids(self) -> list[int]:
        """The records that the row delivers."""
        return [picture.record_id for picture in self.pictures]


class DeliveryFile(NamedTuple):
    """A file of a delivery: planned, then made, or with ``error`` why it could not be made.

    number         its place in the delivery, from 0
    name           the path in the ZIP
    width, height  of the original if known, then of the finished picture
    has_mark       the implicit AI mark was carried over
    c2pa           ``kept``, ``left`` or empty
    """

    number: int
    row: int
    row_id: int
    record_id: int
    name: str
    width: int | None
    height: int | None
    bytes: int | None = None
    checks: Sequence[Check] = ()
    changes: Sequence[Message] = ()
    sha256: str = ""
    has_mark: bool = False
    c2pa: str = ""
    error: Message | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be made."""
        return self.bytes is None and self.error is None


class DeliveryProblem(NamedTuple):
    """Why nothing, or not everything, of a row is delivered.

    ``kind``: ``pick`` (it has no picture), ``mark`` (a picture would lose its visible mark), ``empty`` or
    ``column`` (of a template), ``name``, ``same_name``.
    """

    row: int
    field: str
    kind: str
    error: Message


def plan_files(
    sources: Sequence[Source], *, file_name: str, folder: str, format: str, counters: bool = False
) -> tuple[list[DeliveryFile], list[DeliveryProblem]]:
    """The files of these rows in their order, and the problems; a row with a problem has no file.

    Two files of one path, ignoring case, are a problem of both, or with ``counters`` the second one gets a
    counter; those of one picture are one file.
    """
    files, problems = list[DeliveryFile](), list[DeliveryProblem]()
    alike, counts = Counter[str](), Counter[str]()
    named = [(source, _requested(source, folder, file_name, problems)) for source in sources]
    for source, requested in named:
        alike[file_key(requested)] += len(source.pictures)
    for source, requested in named:
        key = file_key(requested)
        digits = max(_LEAST_DIGITS, len(str(alike[key])))
        leaving = [(each.number, each.record_id) for each in source.pictures if not each.refused]
        numbers = numbers_of(leaving, source.wanted)
        is_numbered = len(numbers) > 1 and "\0" not in requested
        for picture in source.pictures if requested else ():
            if picture.refused:
                problems.append(DeliveryProblem(source.row, "fit", "mark", picture.refused))
                continue
            counts[key] += 1
            ending = ENDING_OF.get(format, PurePath(picture.filename).suffix.lower())
            ending = f"_{numbers[picture.record_id]}{ending}" if is_numbered else ending
            path, why = _path(requested.replace("\0", f"{counts[key]:0{digits}}"), ending)
            if why:
                problems.append(DeliveryProblem(source.row, "file_name", "name", why))
            else:
                size = (picture.width, picture.height)
                files.append(DeliveryFile(0, source.row, source.row_id, picture.record_id, path, *size))
    return _without_clashes(files, problems, counters=counters)


def listed_columns(names: Sequence[str], profile: Profile) -> list[str]:
    """The own columns that the list of the files has: those of their names, and those asked for."""
    used = {*_VARIABLE.findall(profile.folder + profile.file_name), *profile.columns}
    keys = {*map(variable_key, used)}
    return [name for name in names if variable_key(name) in keys]


def _requested(source: Source, folder: str, file_name: str, problems: list[DeliveryProblem]) -> str:
    """The path of a row before it is made safe, ``\\0`` for ``{序号}``; empty, with problems: it has none."""
    values = {
        variable_key(NUMBER): "\0",
        variable_key(ROW): str(source.row),
        variable_key(NAME): source.requested.replace("\\", "_") or f"{_UNNAMED}-{source.row}",
        **{variable_key(name): re.sub(r"[/\\]", "_", text.strip()) for name, text in source.columns.items()},
    }
    found = len(problems)

    def filled(field: str, template: str) -> str:
        def value(variable: re.Match[str]) -> str:
            key = variable_key(variable[1])
            if not values.get(key):
                kind = "empty" if key in values else "column"
                words = _MISSING[kind if kind == "empty" else field]
                why = message(words, name=" ".join(variable[1].split()))
                problems.append(DeliveryProblem(source.row, field, kind, why))
            return values.get(key, "")

        return _VARIABLE.sub(value, template.replace("\0", ""))

    requested = f"{filled('folder', folder)}/{filled('file_name', file_name)}"
    return requested if len(problems) == found else ""


def _path(requested: str, ending: str) -> tuple[str, Message | None]:
    """(the path, why no system takes it)."""
    parts = [part for part in requested.split("/") if part.strip()] or [""]
    limits = [*[_MAX_FOLDER_BYTES] * (len(parts) - 1), MAX_STEM_BYTES]
    safe = [safe_stem(part, max_bytes=limit) for part, limit in zip(parts, limits, strict=True)]
    for part, taken in zip(parts, safe, strict=True):
        if not taken:
            return "", message("「{name}」里没有能当文件名的字，请改这一行的名字", name=part)
        is_long = 4 * len(part) > _MAX_FOLDER_BYTES  # otherwise nothing was cut
        if is_long and safe_stem(part, max_bytes=_ANY_LENGTH, max_units=_ANY_LENGTH) != taken:
            return "", message("「{name}…」太长，请缩短这一行的名字", name=part[:20])
    path = "/".join(safe) + ending
    if windows_files.utf16_length(path) > _MAX_PATH_UNITS:
        return "", message("文件夹和文件名加起来太长，请缩短这一行的名字")
    return path, None


def _without_clashes(
    files: list[DeliveryFile], problems: list[DeliveryProblem], *, counters: bool
) -> tuple[list[DeliveryFile], list[DeliveryProblem]]:
    by_path: dict[str, list[DeliveryFile]] = defaultdict(list)
    for file in files:
        same = by_path[file_key(file.name)]
        if file.record_id not in {other.record_id for other in same}:
            same.append(file)
    text = "和第 {rows} 行的文件名一样（{path}），请改其中一个，或在文件名里加 {variable}"
    names, taken = dict[DeliveryFile, str](), {*by_path}
    for same in by_path.values():
        for index, file in enumerate(same):
            if counters or len(same) == 1:
                names[file] = unique_path(file.name, taken) if index else file.name
                continue
            rows = tuple(dict.fromkeys(other.row for other in same if other is not file))[:3]
            why = message(text, rows=rows, path=file.name, variable=f"{{{NUMBER}}}")
            problems.append(DeliveryProblem(file.row, "file_name", "same_name", why))
    kept = [file._replace(name=names[file]) for file in files if file in names]
    return [file._replace(number=number) for number, file in enumerate(kept)], sorted(
        problems, key=lambda problem: problem.row
    )
