"""Which file a delivery makes of which picture, under which name, and what is in the way. Pure.

Names come from templates: ``{文件名}`` is the name asked for with its folders, ``{序号}`` counts the files
that are otherwise named alike, ``{行号}`` and every own column are values of the row.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from app.domain import file_key
from app.domain.variables import variable_key
from app.errors import Message, message
from app.images.filenames import MAX_STEM_BYTES, safe_stem
from app.system import windows_files

_VARIABLE = re.compile(r"\{([^{}\n]+)\}")
_NAME, _NUMBER, _ROW = "文件名", "序号", "行号"
_UNNAMED = "图片"  # never words of the prompt
_LEAST_DIGITS = 2
_ENDINGS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
_MAX_FOLDER_BYTES = 200
_MAX_PATH_UNITS = 249  # UTF-16 units of a path in a ZIP
_ANY_LENGTH = 8_000  # more than a template makes


class Picture(NamedTuple):
    """A picture of a row: its record, its number in the row, its file, and its size in pixels if known."""

    record_id: int
    number: int
    filename: str
    width: int | None
    height: int | None


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


class PlannedFile(NamedTuple):
    """A file of a delivery: ``path`` is that in the ZIP, the size is that of the original."""

    row: int
    row_id: int
    record_id: int
    path: str
    width: int | None
    height: int | None


class Problem(NamedTuple):
    """Why nothing, or not everything, of a row is delivered.

    ``kind``: ``pick`` (it has no picture), ``empty`` or ``column`` (of a template), ``name``, ``same_name``.
    """

    row: int
    field: str
    kind: str
    error: Message


def plan_files(
    sources: Iterable[Source], *, file_name: str, folder: str, format: str
) -> tuple[list[PlannedFile], list[Problem]]:
    """The files of these rows in their order, and the problems; a row with a problem has no file.

    Two files of one path, ignoring case, are a problem of both.
    """
    sources, problems = list(sources), list[Problem]()
    named = [_Named(source, folder, file_name or f"{{{_NAME}}}", problems) for source in sources]
    alike = Counter[str]()
    for each in named:
        alike[each.key] += len(each.source.pictures)
    counts = Counter[str]()
    files = []
    for each in named:
        digits = max(_LEAST_DIGITS, len(str(alike[each.key])))
        for picture in each.source.pictures:
            counts[each.key] += 1
            number = f"{counts[each.key]:0{digits}}"
            path = each.path(picture, number, _ending(format, picture.filename), problems)
            if path:
                row, row_id = each.source.row, each.source.row_id
                files.append(PlannedFile(row, row_id, picture.record_id, path, picture.width, picture.height))
    return _without_clashes(files, problems)


class _Named:
    """The names of the pictures of one row. ``key``: what its files are counted by for ``{序号}``."""

    def __init__(self, source: Source, folder: str, file_name: str, problems: list[Problem]) -> None:
        self.source = source
        self._values = {variable_key(name): text.strip() for name, text in source.columns.items()}
        is_own = variable_key(_NUMBER) in self._values
        self._has_number = not is_own and _NUMBER in _names(folder) | _names(file_name)
        found = len(problems)
        self._folder = self._fill("folder", folder, problems)
        self._name = self._fill("file_name", file_name, problems)
        self._is_whole = len(problems) == found
        self._numbers = _numbers(source)
        self.key = file_key(f"{self._folder}/{self._name}")

    def path(self, picture: Picture, number: str, ending: str, problems: list[Problem]) -> str:
        """The path of a picture; empty, with a problem, when no system takes it."""
        if not self._is_whole:
            return ""
        requested = f"{self._folder}/{self._name}".replace("\0", number)
        *folders, last = [part for part in requested.split("/") if part.strip()] or [""]
        limits = [*([_MAX_FOLDER_BYTES] * len(folders)), MAX_STEM_BYTES]
        parts = [
            safe_stem(part, max_bytes=limit) for part, limit in zip((*folders, last), limits, strict=True)
        ]
        problem = next(filter(None, map(_part_problem, (*folders, last), parts)), None)
        if len(self.source.pictures) > 1 or self.source.wanted > 1:
            parts[-1] += "" if self._has_number else f"_{self._numbers[picture.record_id]}"
        path = "/".join(parts) + ending
        if not problem and windows_files.utf16_length(path) > _MAX_PATH_UNITS:
            problem = message("文件夹和文件名加起来太长，请缩短这一行的名字")
        if problem:
            problems.append(Problem(self.source.row, "file_name", "name", problem))
        return "" if problem else path

    def _fill(self, field: str, template: str, problems: list[Problem]) -> str:
        """The template with its variables; ``{序号}`` becomes ``\\0``."""

        def value(found: re.Match[str]) -> str:
            key, shown = variable_key(found[1]), " ".join(found[1].split())
            if key in self._values:
                if not self._values[key]:
                    problem = message("这一行的「{name}」是空的，请填好这一格", name=shown)
                    problems.append(Problem(self.source.row, field, "empty", problem))
                return re.sub(r"[/\\]", "_", self._values[key])
            if key == variable_key(_NUMBER):
                return "\0"
            if key == variable_key(_ROW):
                return str(self.source.row)
            if key == variable_key(_NAME):
                return self.source.requested.replace("\\", "_") or f"{_UNNAMED}-{self.source.row}"
            problem = message("没有「{name}」这一列，请改交付规格，或在表里加这一列", name=shown)
            problems.append(Problem(self.source.row, field, "column", problem))
            return ""

        return _VARIABLE.sub(value, template.replace("\0", ""))


def _unnamed(row: int) -> str:
    return f"图片-{row}"


def _part_problem(part: str, safe: str) -> Message | None:
    """Why a part of a path cannot have its name; ``safe`` is what the systems take of it."""
    if not safe:
        return message("「{name}」里没有能当文件名的字，请改这一行的名字", name=part)
    is_long = 4 * len(part) > _MAX_FOLDER_BYTES  # otherwise nothing was cut
    if is_long and safe_stem(part, max_bytes=_ANY_LENGTH, max_units=_ANY_LENGTH) != safe:
        return message("「{name}…」太长，请缩短这一行的名字", name=part[:20])
    return None


def _names(template: str) -> set[str]:
    return {variable_key(name) for name in _VARIABLE.findall(template)}


def _numbers(source: Source) -> dict[int, int]:
    """The number of each picture of the row, by record: that of the picture, else the next free one."""
    taken: dict[int, int] = {}
    for picture in source.pictures:
        if picture.number not in taken.values() and picture.number <= max(source.wanted, 1):
            taken[picture.record_id] = picture.number
    free = (n for n in range(1, source.wanted + len(source.pictures) + 1) if n not in {*taken.values()})
    for picture in source.pictures:
        if picture.record_id not in taken:
            taken[picture.record_id] = next(free)
    return taken


def _ending(format: str, filename: str) -> str:
    return _ENDINGS.get(format, PurePath(filename).suffix.lower())


def _without_clashes(
    files: list[PlannedFile], problems: list[Problem]
) -> tuple[list[PlannedFile], list[Problem]]:
    by_path: dict[str, list[PlannedFile]] = defaultdict(list)
    for file in files:
        by_path[file_key(file.path)].append(file)
    for same in by_path.values():
        for file in same if len(same) > 1 else ():
            rows = tuple(dict.fromkeys(other.row for other in same if other is not file))[:3]
            text = "和第 {rows} 行的文件名一样（{path}），请改其中一个，或在文件名里加 {variable}"
            problems.append(
                Problem(
                    file.row,
                    "file_name",
                    "same_name",
                    message(text, rows=rows, path=file.path, variable=f"{{{_NUMBER}}}"),
                )
            )
    kept = [file for file in files if len(by_path[file_key(file.path)]) == 1]
    return kept, sorted(problems, key=lambda problem: problem.row)
