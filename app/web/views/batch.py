"""批量生成: the table of a batch, before and after it is submitted."""

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

import database
from app.domain import BUILT_IN_NAMES, Batch
from app.errors import CAUSES
from app.web.batch_columns import batch_columns, batch_models
from app.web.i18n import translate
from app.web.page_model import BATCH, PageModel, model_choices, page_model, remember
from app.web.services import connection, services

bp = Blueprint("batch", __name__)


@bp.get("/batch")
def index() -> Response:
    """The draft, or with ``?id=`` a submitted batch; ``?model=`` is the model of the draft."""
    batch_id = request.args.get("id", "")
    batch = database.get_batch(connection(), batch_id) if batch_id else None
    chosen = _model_of(batch) if batch else page_model(BATCH)
    current = services()
    used = [each.model for each in batch.models] if batch else ()
    columns = batch_columns(chosen.spec, current.row_models, used=used)
    html = render_template(
        "pages/batch.html",
        batch=batch,
        columns=columns,
        columns_json=[column.as_json() for column in columns],
        model=batch_models(chosen.spec, current.runtime.engines, current.row_models),
        choices=model_choices(),
        model_problem=chosen.problem,
        page_spec=chosen.spec,
        variables=BUILT_IN_NAMES,
        causes=_causes(),
    )
    return remember(make_response(html), BATCH, chosen)


def _model_of(batch: Batch) -> PageModel:
    """The model that most pictures of a batch are made by, where it can still be ordered from."""
    models = services().row_models
    used = (models[each.model] for each in batch.models if each.model in models)
    return PageModel(spec=next(used, models.default))


@bp.get("/batch/dialogs")
def dialogs() -> str:
    """Dialogs and parts of a run, fetched by the second script; the page of a submitted batch has them."""
    return render_template(
        "batch/dialogs.html",
        causes=_causes(),
        page_spec=page_model(BATCH).spec,
        choices=model_choices(),
    )


def _causes() -> dict[str, str]:
    """The causes of failures in the language of the request."""
    return {cause: translate(words) for cause, words in CAUSES.items()}
