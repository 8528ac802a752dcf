"""The answers of services that were laid over a picture, as received, beside the pictures."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app.images import atomic_write
from app.images.containers import ENDING_OF, sniff

ANSWERS = ".answers"
_PER_FOLDER = 1_000


def keep(output_dir: Path, record_id: int, content: bytes) -> None:
    """Keep the answer of a record; an earlier one of this record is replaced. Raises DiskError."""
    with atomic_write.translate_os_errors(output_dir):
        delete(output_dir, record_id)
        ending = ENDING_OF.get(sniff(content) or "", ".png")
        atomic_write.write_over(_stem(output_dir, record_id).with_suffix(ending), content, output_dir)


def find(output_dir: Path, record_id: int) -> Path | None:
    """The answer of a record; None without one."""
    return next((path for path in _paths(output_dir, record_id) if path.is_file()), None)


def delete(output_dir: Path, record_id: int) -> None:
    """Delete the answer of a record, if there is one. Raises OSError."""
    for path in _paths(output_dir, record_id):
        with suppress(FileNotFoundError):
            path.unlink()


def _paths(output_dir: Path, record_id: int) -> Iterator[Path]:
    return (_stem(output_dir, record_id).with_suffix(ending) for ending in ENDING_OF.values())


def _stem(output_dir: Path, record_id: int) -> Path:
    return output_dir / ANSWERS / str(record_id // _PER_FOLDER) / str(record_id)
