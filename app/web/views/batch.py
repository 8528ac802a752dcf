"""批量生成: the table of a batch, before and after it is submitted."""

from flask import Blueprint, render_template, request

import database
from app.domain import CONTENT_FIELDS
from app.errors import CAUSES
from app.web.i18n import translate
from app.web.serializers import sizes_json
from app.web.services import connection, services

bp = Blueprint("batch", __name__)


@bp.get("/batch")
def index() -> str:
    """The draft, or with ``?id=`` a submitted batch."""
    batch_id = request.args.get("id", "")
    return render_template(
        "pages/batch.html",
        batch=database.get_batch(connection(), batch_id) if batch_id else None,
        prices={size: offer["price"] for size, offer in sizes_json(services().provider.spec).items()},
        causes={cause: translate(words) for cause, words in CAUSES.items()},
        content_fields=CONTENT_FIELDS,
    )
