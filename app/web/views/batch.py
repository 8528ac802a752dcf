"""批量生成: the table of a batch, before and after it is submitted."""

from flask import Blueprint, render_template, request

import database
from app.domain import BUILT_IN_NAMES
from app.errors import CAUSES
from app.web.batch_columns import batch_columns, batch_model
from app.web.i18n import translate
from app.web.services import connection, services

bp = Blueprint("batch", __name__)


@bp.get("/batch")
def index() -> str:
    """The draft, or with ``?id=`` a submitted batch."""
    batch_id = request.args.get("id", "")
    columns = batch_columns(services().spec)
    return render_template(
        "pages/batch.html",
        batch=database.get_batch(connection(), batch_id) if batch_id else None,
        columns=columns,
        columns_json=[column.as_json() for column in columns],
        model=batch_model(services().spec, services().worker.engines.default.pace),
        variables=BUILT_IN_NAMES,
        causes=_causes(),
    )


@bp.get("/batch/dialogs")
def dialogs() -> str:
    """Dialogs and parts of a run, fetched by the second script; the page of a submitted batch has them."""
    return render_template("batch/dialogs.html", causes=_causes())


def _causes() -> dict[str, str]:
    """The causes of failures in the language of the request."""
    return {cause: translate(words) for cause, words in CAUSES.items()}
