"""The pictures that came and wait to be kept: a few in memory, the rest in nameless files on the disk.

Part of the worker's room. A service gives 64 pictures at once, and they are decoded one by one.
"""

import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from app.domain import GeneratedImage
from app.errors import StorageError


class SpillBuffer:
    """Bounds what waits in memory to ``most_bytes``, whatever the number and size of the pictures."""

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self.in_memory = 0

    def put(self, picture: GeneratedImage) -> "BufferedImage":
        """Put a picture on it; whoever lays it gives up their own hold of its bytes."""
        return BufferedImage(self, picture)

    def reserve(self, size: int, *, must: bool = False) -> bool:
        """Whether that many bytes more may wait in memory, or must; they count from now on."""
        with self._lock:
            if self.in_memory and self.in_memory + size > self._most_bytes and not must:
                return False
            self.in_memory += size
            return True

    def release(self, size: int) -> None:
        """They wait no more."""
        with self._lock:
            self.in_memory -= size

    def new_file(self) -> IO[bytes]:
        """A file that is gone with its last holder, also when that is killed; Windows shows it meanwhile."""
        return tempfile.TemporaryFile(dir=self._folder, prefix=".", suffix=".part")


class BufferedImage:
    """One picture on the pile: taken as often as it needs, off the pile at the end of ``with``."""

    def __init__(self, pile: SpillBuffer, picture: GeneratedImage) -> None:
        self._pile = pile
        self.seed = picture.seed
        self._size = len(picture.content)
        self._content: bytes | None = None
        self._file: IO[bytes] | None = None
        if not pile.reserve(self._size):
            self._file = _written(pile, picture.content)
            if self._file is None:
                pile.reserve(self._size, must=True)
        if self._file is None:
            self._content = picture.content

    def read(self) -> GeneratedImage:
        """The picture. Raises StorageError when the disk does not give it back."""
        if self._content is not None:
            return GeneratedImage(content=self._content, seed=self.seed)
        assert self._file is not None
        try:
            self._file.seek(0)
            return GeneratedImage(content=self._file.read(), seed=self.seed)
        except OSError as error:
            raise StorageError(f"磁盘读不出刚收到的图片（{error}），请检查磁盘") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        else:
            self._pile.release(self._size)


def _written(pile: SpillBuffer, content: bytes) -> IO[bytes] | None:
    """The bytes in a file; None when the disk has no room: then they wait in memory after all."""
    try:
        file = pile.new_file()
    except OSError:
        return None
    try:
        file.write(content)
        file.flush()
    except OSError:
        with suppress(OSError):  # it tries to write what is left once more
            file.close()
        return None
    return file
