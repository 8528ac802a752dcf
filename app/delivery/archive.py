"""Sends a delivery as one ZIP, made while it is sent where files are missing, or copies it into a folder.

The client's workbook and note are in it, as far as the profile wants them.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from datetime import date, datetime
from pathlib import Path

from werkzeug.wrappers import Response
from zipstream import ZipStream

import database
from app import sheets
from app.config import Settings
from app.delivery.making import Maker
from app.delivery.naming import DeliveryFile, listed_columns
from app.delivery.profiles import Profile
from app.delivery.sql import Delivery, finish_delivery, get_delivery, list_files
from app.domain import file_key, own_column_names
from app.errors import Conflict, Message, NotFound, Translate, message
from app.images import atomic_write
from app.images.filenames import safe_stem, unique_path
from app.images.finishing import FRAMED, NOT_FILLED, NOT_LIFTED, SEAM
from app.web.downloads import start_stream, stream_response
from app.web.originals import Originals, record_thumbnails

NOTE, WORKBOOK = "交付说明.txt", "交付清单.xlsx"
FOLDERS = "deliveries"  # beside OUTPUT_DIR
_MOST = 100  # lines of a kind in the note
_FOR_THE_STUDIO = (FRAMED, NOT_FILLED, NOT_LIFTED, SEAM)  # which sees what fails in the dialog


def open_maker(db: database.Connection, delivery_id: str, originals: Originals) -> Maker:
    """The maker of a stored delivery. Raises NotFound."""
    return Maker(get_delivery(db, delivery_id), originals)


def send_zip(
    maker: Maker, settings: Settings, translate: Translate, slots: AbstractContextManager[object]
) -> Response:
    """The ZIP of a delivery, in one of these slots. Raises TryLater when there is none."""
    with ExitStack() as held:
        held.enter_context(slots)
        archive = DeliveryArchive(maker, settings, translate)
        pieces = archive.pieces()
        held.callback(pieces.close)
        return stream_response(start_stream(pieces), held.pop_all().close, length=archive.length)


class DeliveryArchive:
    """A delivery as one ZIP, or in a folder. When that is complete, it counts as finished.

    ``length`` is that of the ZIP in bytes; None while files are missing, which are made as it is sent.
    """

    def __init__(self, maker: Maker, settings: Settings, translate: Translate) -> None:
        self._maker, self._settings, self._translate = maker, settings, translate
        with closing(database.connect(settings.database)) as db:
            self._files = list_files(db, maker.delivery.id)
            self._missing = [file for file in self._files if file.is_open]
            self._papers = [] if self._missing else self._write_papers(db)
        self.length: int | None = None
        if not self._missing:
            sized = ZipStream(sized=True)
            for file in self._files:
                if file.bytes is not None:
                    sized.add((), file.name, size=file.bytes)
            for name, content in self._papers:
                sized.add((), name, size=len(content))
            self.length = len(sized)

    def pieces(self) -> Generator[bytes]:
        """The ZIP; closing it stops the work. Raises Conflict when a finished file is lost: the download
        fails visibly, and everything is made again for the next one."""
        archive = ZipStream()
        with closing(database.connect(self._settings.database)) as db:
            for path, content in self._contents(db):
                archive.add(content, path)
                yield from archive.file()
            yield from archive.finalize()
            finish_delivery(db, self._maker.delivery.id)

    def save(self) -> Path:
        """Write a new folder beside OUTPUT_DIR -> the folder, which appears when it is complete.

        Raises Conflict while files are missing, and DiskError.
        """
        if self._missing:
            raise Conflict("还有 {n} 个文件没有做完，请等做完再存", n=len(self._missing))
        delivery = self._maker.delivery
        root = self._settings.output_dir.absolute().parent / FOLDERS
        name = safe_stem(f"{delivery.title or '交付'} {delivery.profile} {datetime.now():%Y-%m-%d %H%M%S}")
        part = root / f".{delivery.id}.part"
        with closing(database.connect(self._settings.database)) as db, atomic_write.translate_os_errors(root):
            try:
                for path, content in self._contents(db):
                    (part / path).parent.mkdir(parents=True, exist_ok=True)
                    (part / path).write_bytes(content)
                part.rename(root / name)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            finish_delivery(db, delivery.id)
        return root / name

    def _contents(self, db: database.Connection) -> Iterator[tuple[str, bytes]]:
        """(path, content) of every file in its order, made if it is missing; then workbook and note."""
        making = self._maker.make(db, self._missing)
        for index, planned in enumerate(self._files):
            file = self._files[index] = next(making) if planned.is_open else planned
            if file.error is None:
                yield file.name, self._maker.content(db, file)
        yield from self._papers or self._write_papers(db)

    def _write_papers(self, db: database.Connection) -> list[tuple[str, bytes]]:
        """(name, content) of the client's workbook and of the note, as far as the profile wants them."""
        maker, found = self._maker, list[tuple[str, bytes]]()
        taken = {file_key(file.name.partition("/")[0]) for file in self._files}
        if maker.profile.workbook:
            made = [file for file in self._files if file.error is None]
            own, columns = _own_columns(db, maker.delivery, self._files)
            filenames = dict.fromkeys(sorted(file.record_id for file in made), "")  # "": was deleted since
            filenames |= {record.id: record.filename for record in database.list_selected(db, [*filenames])}
            pieces = sheets.write_files(
                "交付清单",
                [
                    (each.record_id, each.row, each.name, columns.get(each.row_id or each.record_id, {}))
                    for each in made
                ],
                listed_columns(own, maker.profile),
                thumbnails=record_thumbnails(self._settings, maker.originals, filenames),
                translate=self._translate,
            )
            found.append((unique_path(self._translate(WORKBOOK), taken), b"".join(pieces)))
        if maker.profile.note:
            text = note_of(maker.delivery.title, maker.profile, self._files, self._translate)
            found.append((unique_path(self._translate(NOTE), taken), text.encode("utf-8-sig")))
        return found


def _own_columns(
    db: database.Connection, delivery: Delivery, files: Sequence[DeliveryFile]
) -> tuple[list[str], dict[int, Mapping[str, str]]]:
    """The names of the own columns, and their cells by row id, without a table by record id."""
    if not delivery.table_id:
        ids = sorted({file.record_id for file in files})
        cells = {record.id: record.columns for record in database.list_selected(db, ids)}
        return own_column_names(cells.values()), cells
    row_ids = sorted({file.row_id for file in files})
    cells = {row.id: row.columns for row in database.read_rows(db, delivery.table_id, row_ids)}
    with suppress(NotFound):
        return [*database.get_table(db, delivery.table_id).own_columns], cells
    return own_column_names(cells.values()), cells


def note_of(title: str, profile: Profile, files: Sequence[DeliveryFile], translate: Translate) -> str:
    """The note: what was delivered, what was changed, and the marks of AI.

    It names no prompt, price, model or path of this computer, and nothing that the studio is to do.
    """
    good = [file for file in files if file.bytes is not None]
    size = sum(file.bytes or 0 for file in good)
    source = message("自己的规格")
    if profile.source:
        source = message("{source}，{day}", source=message(profile.source), day=profile.checked_on)
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} KB"
    lines = [
        message("日期：{day}", day=f"{date.today():%Y-%m-%d}"),
        *([message("表格：{name}", name=title)] if title else ()),
        message("规格：{name}（{source}）", name=message(profile.name), source=source),
        message("文件：{n} 个，共 {size}", n=len(good), size=shown),
        message("尺寸按我们知道的要求做，平台会改，是否通过以平台为准。"),
    ]
    changes = (each for file in good for each in file.changes if each.id not in _FOR_THE_STUDIO)
    blocks = [("改动", _counted(changes)), ("AI 标识", _ai_lines(good))]
    text = [translate(message("交付说明")), "", *map(translate, lines)]
    for heading, found in blocks:
        if found:
            text += ["", translate(message(heading)), *(f"- {translate(line)}" for line in found[:_MOST])]
        if len(found) > _MOST:
            text.append(f"- {translate(message('另外还有 {n} 条', n=len(found) - _MOST))}")
    return "\r\n".join([*(" ".join(line.split()) for line in text), ""])


def _counted(said: Iterable[Message]) -> list[Message]:
    """Equal sentences once, with how many files they are true of, the most frequent first."""
    sentences, counts = dict[str, Message](), Counter[str]()
    for each in said:
        sentences[str(each)] = each
        counts[str(each)] += 1
    return [
        message("{what}（{n} 个文件）", what=sentences[text], n=number)
        for text, number in counts.most_common()
    ]


def _ai_lines(good: Sequence[DeliveryFile]) -> list[Message]:
    counts = {
        "隐式标识从原图带过来的：{n} 张。": sum(file.has_mark for file in good),
        "原图没有隐式标识的：{n} 张。": sum(not file.has_mark for file in good),
        "原图带 Content Credentials，这份没有：{n} 张。": sum(file.c2pa == "left" for file in good),
        "Content Credentials 原样保留的：{n} 张。": sum(file.c2pa == "kept" for file in good),
    }
    return [
        message("{n} 张全部由 AI 生成。", n=len(good)),
        *(message(text, n=number) for text, number in counts.items() if number),
        message(
            "在国内平台发布，请声明图片由 AI 生成；在国外平台，请先看它是否收 AI 图片，例如 Etsy 要实物照片。"
        ),
    ]
