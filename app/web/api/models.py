"""The API of image models."""

from flask import Blueprint
from werkzeug.wrappers import Response

from app.domain import BudgetScope
from app.web.openapi.describe import describe
from app.web.openapi.schemas import answer, or_null
from app.web.serializers import pace_json, spec_json, success
from app.web.services import connection, services
from app.web.usage_report import list_budgets

bp = Blueprint("models", __name__)


@bp.get("/models")
@describe("现在用的模型接受什么", answer(model="Model", models=["Model"], budget=or_null(float)))
def list_models() -> Response:
    """The image model in use and what it supports."""
    ready = {"ready": services().model_problem is None}
    model = spec_json(services().spec) | ready | pace_json(services().worker.pace)
    return success(model=model, models=[model], budget=list_budgets(connection())[BudgetScope.TOTAL].limit)
