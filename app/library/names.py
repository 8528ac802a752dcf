"""Reference images by name, as people write them in a sheet."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from app.domain import LibraryImage, SampleImage, file_key, has_too_many_marks, trimmed_text, visible_text
from app.errors import AppError, BucketError, InvalidRequest, TryLater
from app.library.library import Library

_LONGEST = 1_000  # more than a file name can have; a cell of a sheet may have more


class LibraryNames:
    """The library indexed by name, with and without extension; listed once, on first use."""

    def __init__(self, library: Library) -> None:
        self._library = library

    @cached_property
    def _by_name(self) -> dict[str, list[LibraryImage]] | BucketError | TryLater:
        try:
            images = self._library.list_images().images
        except (BucketError, TryLater) as error:
            return error
        found: dict[str, list[LibraryImage]] = {}
        for image in images:
            for key in {_name_key(image.filename), _name_key(image.filename.rpartition(".")[0])}:
                found.setdefault(key, []).append(image)
        return found

    def find(self, name: str) -> list[LibraryImage]:
        """The images of that name. Raises BucketError or TryLater while the library is unavailable."""
        if isinstance(self._by_name, AppError):
            raise self._by_name
        return self._by_name.get(_name_key(name), [])

    def has(self, name: str) -> bool:
        """Whether an image has that name; True while the library is unavailable, the page checks later."""
        return isinstance(self._by_name, AppError) or _name_key(name) in self._by_name

    def resolve(self, images: Sequence[SampleImage]) -> tuple[SampleImage, ...]:
        """The images, those without URL found by their names.

        Raises InvalidRequest when a name fits none or several images; BucketError, TryLater as ``find``.
        """
        return tuple(image if image.url else self._named(image) for image in images)

    def _named(self, image: SampleImage) -> SampleImage:
        found = self.find(image.filename)
        if len(found) == 1:
            return replace(image, url=found[0].url, filename=found[0].filename)
        text = (
            "示例图里有 {n} 张都叫「{filename}」，请选定一张"
            if found
            else "示例图里没有「{filename}」，请先上传"
        )
        raise InvalidRequest("sample_images", text, filename=image.filename, n=len(found))


def _name_key(name: str) -> str:
    is_name = len(name) <= _LONGEST and not has_too_many_marks(name)
    return file_key(trimmed_text(visible_text(name))) if is_name else name
