"""The page of the reference images, and the pictures it shows."""

from pathlib import Path

from flask import redirect, render_template, request, send_file
from werkzeug.wrappers import Response

from domain import LibraryPage
from errors import BucketError, Busy
from web.context import rooms
from web.pages import pages

IMAGES_A_PAGE = 120
_YEAR = 365 * 24 * 3600
_ADDRESS_KEPT_SECONDS = 1_800  # signed addresses live four times as long


@pages.get("/samples")
def samples() -> str:
    """示例图: the newest, or what ``?search=`` finds; ``?page=`` for those without JavaScript."""
    search = request.args.get("search", "")
    number = max(1, request.args.get("page", 1, type=int))
    page, trouble = _look(search, (number - 1) * IMAGES_A_PAGE)
    last = max(1, -(-page.total // IMAGES_A_PAGE))
    return render_template(
        "samples.html", library=page, trouble=trouble, search=search, page=number, pages=last
    )


@pages.get("/samples/files/<path:key>")
def sample_file(key: str) -> Response:
    """A reference image; where it lies in the bucket, the way there."""
    return _shown(rooms().library.file(key), max_age=3600)


@pages.get("/samples/thumbnails/<path:key>")
def sample_thumbnail(key: str) -> Response:
    """A reference image at thumbnail size."""
    return _shown(rooms().library.thumbnail(key), max_age=_YEAR)


@pages.get("/samples/pinned/<name>")
def sample_pinned(name: str) -> Response:
    """A reference image as a record used it."""
    return _shown(rooms().library.pinned(name), max_age=_YEAR)


def _look(search: str, offset: int) -> tuple[LibraryPage, str]:
    """A page of the library and what is the matter with it; an empty one when nothing can be had."""
    library = rooms().library
    try:
        page = library.list_images(search, offset=offset, limit=IMAGES_A_PAGE)
    except (BucketError, Busy) as trouble:
        return LibraryPage(images=(), total=0, source=library.source, is_stale=True), trouble.message
    return page, page.trouble


def _shown(place: Path | str, *, max_age: int) -> Response:
    if isinstance(place, Path):
        mimetype = "image/webp" if place.suffix == ".webp" else None
        return send_file(place.absolute(), mimetype=mimetype, conditional=True, max_age=max_age)
    answer = redirect(place, 302)
    answer.headers["Cache-Control"] = f"private, max-age={_ADDRESS_KEPT_SECONDS}"
    return answer
