"""The API of image models."""

from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

from app.domain import BudgetScope
from app.domain.models import UPSCALERS
from app.web.openapi.describe import describe
from app.web.openapi.schemas import answer, or_null
from app.web.serializers import pace_json, spec_json, success
from app.web.services import connection, services
from app.web.usage_report import list_budgets
from app.worker.engines import Engine

bp = Blueprint("models", __name__)


@bp.get("/models")
@describe(
    "能用的模型接受什么；model 是默认的", answer(model="Model", models=["Model"], budget=or_null(float))
)
def list_models() -> Response:
    """The image models that can be ordered from, and what they support; ``model`` is the default."""
    engines = [engine for engine in services().worker.engines if engine.model_id not in UPSCALERS]
    models = [_model_json(engine) for engine in engines]
    budget = list_budgets(connection())[BudgetScope.TOTAL].limit
    return success(model=models[0], models=models, budget=budget)


def _model_json(engine: Engine) -> dict[str, Any]:
    spec = services().models[engine.model_id]
    return spec_json(spec) | {"ready": services().model_problem(spec) is None} | pace_json(engine.pace)
