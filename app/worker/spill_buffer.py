"""Received images that wait to be saved: a few in memory, the rest in temporary files.

A service may return 64 images at once, and they are decoded one by one.
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
    """Bounds the memory of waiting images to ``most_bytes``, whatever their number and size."""

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self.in_memory = 0

    def put(self, picture: GeneratedImage) -> "BufferedImage":
        """Buffer an image; the caller must drop its own reference to the bytes."""
        return BufferedImage(self, picture)

    def reserve(self, size: int, *, must: bool = False) -> bool:
        """Reserve memory for that many bytes -> whether there is any; ``must`` reserves beyond the bound."""
        with self._lock:
            if self.in_memory and self.in_memory + size > self._most_bytes and not must:
                return False
            self.in_memory += size
            return True

    def release(self, size: int) -> None:
        """Release reserved bytes."""
        with self._lock:
            self.in_memory -= size

    def new_file(self) -> IO[bytes]:
        """A temporary file, deleted when it is closed or the process is killed; visible on Windows."""
        return tempfile.TemporaryFile(dir=self._folder, prefix=".", suffix=".part")


class BufferedImage:
    """One buffered image: can be read repeatedly, is released at the end of ``with``."""

    def __init__(self, buffer: SpillBuffer, picture: GeneratedImage) -> None:
        self._buffer = buffer
        self.seed = picture.seed
        self._size = len(picture.content)
        self._content: bytes | None = None
        self._file: IO[bytes] | None = None
        if not buffer.reserve(self._size):
            self._file = _written(buffer, picture.content)
            if self._file is None:
                buffer.reserve(self._size, must=True)
        if self._file is None:
            self._content = picture.content

    def read(self) -> GeneratedImage:
        """Return the image. Raises StorageError when the temporary file cannot be read."""
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
            self._buffer.release(self._size)


def _written(buffer: SpillBuffer, content: bytes) -> IO[bytes] | None:
    """Write the bytes to a temporary file; None when the disk refuses it: they stay in memory."""
    try:
        file = buffer.new_file()
    except OSError:
        return None
    try:
        file.write(content)
        file.flush()
    except OSError:
        with suppress(OSError):  # close() flushes the rest again
            file.close()
        return None
    return file
