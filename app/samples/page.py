"""The page of the reference-image library, and its image files."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

import database
from app.domain import LibraryPage
from app.errors import BucketError, TryLater
from app.samples.sql import SORTS, rank_of
from app.web.caching import with_content_etag
from app.web.downloads import YEAR_SECONDS, picture
from app.web.services import connection, services

IMAGES_A_PAGE = 120
bp = Blueprint("samples", __name__)
_REDIRECT_MAX_AGE_SECONDS = 1_800  # signed URLs are valid four times as long


@bp.get("/samples")
def index() -> str:
    """示例图: the images, or the matches of ``?search=``; ``?sort=`` is the order, ``?page=`` works without
    JavaScript.
    """
    number = max(1, request.args.get("page", 1, type=int))
    shown = _context((number - 1) * IMAGES_A_PAGE)
    last = max(1, -(-shown["library"].total // IMAGES_A_PAGE))
    copies = database.count_output_copies(connection()) if services().runtime.output_backup else None
    return render_template("pages/samples.html", page=number, pages=last, copies=copies, sorts=SORTS, **shown)


@bp.get("/live/samples")
def images() -> Response:
    """The list fragment: matches of ``?search=`` from ``?offset=`` on, or the one image of ``?key=``."""
    key = request.args.get("key", "")
    if key:
        return with_content_etag(render_template("samples/item.html", image=services().library.image(key)))
    offset = max(0, request.args.get("offset", 0, type=int))
    return with_content_etag(render_template("samples/list.html", **_context(offset)))


@bp.get("/samples/files/<path:key>")
def file(key: str) -> Response:
    """A reference image; a redirect when it is in the bucket."""
    return picture(services().library.file(key), max_age=3600, redirect_max_age=_REDIRECT_MAX_AGE_SECONDS)


@bp.get("/samples/thumbnails/<path:key>")
def thumbnail(key: str) -> Response:
    """The thumbnail of a reference image; a redirect when it is in the bucket."""
    return picture(
        services().library.thumbnail(key), max_age=YEAR_SECONDS, redirect_max_age=_REDIRECT_MAX_AGE_SECONDS
    )


def _context(offset: int) -> dict[str, Any]:
    """The template context; an empty library and the error when the library is unavailable."""
    library, search = services().library, request.args.get("search", "")[:200]
    sort = request.args.get("sort", "")
    sort = sort if sort in SORTS else next(iter(SORTS))
    is_loading = False
    try:
        page = library.list_images(
            search, offset=offset, limit=IMAGES_A_PAGE, rank=rank_of(connection(), sort)
        )
    except BucketError as error:
        page = LibraryPage(images=(), total=0, source=library.source, problem=error.message)
    except TryLater:
        page, is_loading = LibraryPage(images=(), total=0, source=library.source), True
    listed_at = datetime.fromtimestamp(page.listed_at, UTC) if page.is_stale and page.listed_at else None
    return {
        "library": page,
        "search": search,
        "sort": sort,
        "offset": offset,
        "problem": page.problem,
        "is_loading": is_loading,
        "is_unavailable": not page.total and bool(page.problem or is_loading),
        "listed_at": listed_at,
    }
