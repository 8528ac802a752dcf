"""Parameters in files of their own, for pictures whose bytes must stay as they are.

A C2PA manifest has a hash of the file, so nothing is embedded in a picture with one. Its text lies in
``.parameters`` of the picture's folder, named after the bytes and the record: copied or renamed, the picture
is still known.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from app.images import atomic_write
from app.images.marks import has_c2pa
from app.system import windows_files

FOLDER = ".parameters"
_DIGITS = 32  # of the hash, in names


def name_of(sha256: str, record_id: int) -> str:
    """The file name of the parameters of a record's picture with this SHA-256."""
    return f"{prefix_of(sha256)}{record_id}.txt"


def prefix_of(sha256: str) -> str:
    """How the names of the parameters of all records with these bytes begin."""
    return f"{sha256[:_DIGITS]}-"


def write(folder: Path, sha256: str, record_id: int, text: str, *, parts_folder: Path) -> None:
    """Write the parameters of a picture that is about to appear in ``folder``, so that they survive a power
    failure. Raises OSError.
    """
    path = _path(folder, sha256, record_id)
    atomic_write.write_over(path, text.encode("utf-8", "replace"), parts_folder)
    for parent in (path.parent, path.parent.parent, folder):
        windows_files.sync_folder(parent)


def files(folder: Path, sha256: str) -> list[Path]:
    """The parameters that lie beside a picture of ``folder``: one file for each record with these bytes."""
    return sorted(_path(folder, sha256, 0).parent.glob(f"{prefix_of(sha256)}*.txt"))


def texts(folder: Path, content: bytes) -> list[str]:
    """The parameters that lie beside these bytes; none beside those without a C2PA manifest."""
    found = []
    for path in files(folder, hashlib.sha256(content).hexdigest()) if has_c2pa(content) else ():
        with suppress(OSError):
            found.append(windows_files.retry_while_locked(path.read_bytes).decode("utf-8", "replace"))
    return found


def delete(folder: Path, sha256: str, record_id: int) -> None:
    """Delete the parameters of a record's picture; missing ones are ignored. Raises OSError."""
    if sha256:
        _path(folder, sha256, record_id).unlink(missing_ok=True)


def _path(folder: Path, sha256: str, record_id: int) -> Path:
    return folder / FOLDER / sha256[:2] / name_of(sha256, record_id)
