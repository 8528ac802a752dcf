"""From untrusted rows to a batch in the queue: checked whole, or refused whole."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import database
import pictures
from domain import MAX_PICTURES_A_BATCH, MAX_ROWS_A_BATCH, ImageRequest
from errors import AppError, Conflict, InvalidRequest
from web.context import connection, rooms


class BadRows(AppError):
    """Rows that cannot be asked for; ``problems`` are (row number from 1, complaint)."""

    def __init__(self, problems: Sequence[tuple[int, InvalidRequest]]) -> None:
        first_row, first = problems[0]
        super().__init__(f"第 {first_row} 行：{first.message}（共 {len(problems)} 处问题，没有开始生成）")
        self.problems = problems


def queue_rows(rows: Sequence[Any], *, name: str = "", source: str = "batch") -> tuple[str, list[int]]:
    """Every row checked, then all queued -> (batch id, record ids), or BadRows with nothing queued."""
    if not rows:
        raise InvalidRequest("rows", "至少要有一行")
    if len(rows) > MAX_ROWS_A_BATCH:
        raise InvalidRequest("rows", f"一个批次最多 {MAX_ROWS_A_BATCH} 行，现在有 {len(rows)} 行")
    requests: list[ImageRequest] = []
    problems: list[tuple[int, InvalidRequest]] = []
    for number, row in enumerate(rows, 1):
        request, complaints = _read_row(row)
        problems.extend((number, complaint) for complaint in complaints)
        if request is not None:
            requests.append(request)
    if problems:
        raise BadRows(problems)
    return queue_requests(requests, name=name, source=source)


def queue_requests(requests: Sequence[ImageRequest], *, name: str, source: str) -> tuple[str, list[int]]:
    """Checked requests into the queue; the worker is woken -> (batch id, record ids)."""
    pictures_asked = sum(request.num_images for request in requests)
    if pictures_asked > MAX_PICTURES_A_BATCH:
        raise InvalidRequest("rows", f"一个批次最多 {MAX_PICTURES_A_BATCH} 张，现在有 {pictures_asked} 张")
    here = rooms()
    if here.settings.missing_keys:
        needed = "、".join(here.settings.missing_keys)
        raise Conflict(f"还没有设置 {needed}，请写进 .env 后重新启动")
    output_dir = here.settings.output_dir
    batch_id, ids = database.add_batch(
        connection(),
        requests,
        card=here.model.card,
        stems=[pictures.wanted_stem(output_dir, each.filename, each.prompt) for each in requests],
        is_taken=lambda stem: pictures.is_taken(output_dir, stem),
        name=name,
        source=source,
    )
    here.worker.bell.ring()
    return batch_id, ids


def _read_row(row: Any) -> tuple[ImageRequest | None, list[InvalidRequest]]:
    if not isinstance(row, Mapping):
        return None, [InvalidRequest("", "每一行应为一个对象")]
    request, complaints = ImageRequest.read(row)
    if request is not None:
        library = rooms().library
        request = replace(request, sample_images=library.pin(request.sample_images))
        complaints = rooms().card.problems(request, library.facts(request.sample_images))
    return request, complaints
