"""The API of image models."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.domain import BudgetScope
from app.web.openapi.describe import describe
from app.web.openapi.schemas import answer, or_null
from app.web.person import list_budgets
from app.web.serializers import pace_json, spec_json, success
from app.web.services import connection, services
from app.worker.engines import Engine

bp = Blueprint("models", __name__)


@bp.get("/models")
@describe(
    "能用的模型接受什么；model 是默认的", answer(model="Model", models=["Model"], budget=or_null(float))
)
def list_models() -> Response:
    """The image models that can be ordered from, and what they support; ``model`` is the default."""
    under_way = database.count_running_by_model(connection())
    engines = [engine for engine in services().runtime.engines if engine.spec.is_for_rows]
    models = [_model_json(engine, under_way) for engine in engines]
    budget = list_budgets(connection())[BudgetScope.TOTAL].limit
    return success(model=models[0], models=models, budget=budget)


def _model_json(engine: Engine, under_way: Mapping[str, int]) -> dict[str, Any]:
    current = services()
    spec = current.models.get(engine.model_id, engine.spec)
    problem = current.model_problem(spec)
    return {
        **spec_json(spec),
        **pace_json(engine.pace),
        "ready": problem is None,
        "problem": problem,
        "is_default": engine is current.runtime.engines.default,
        "under_way": under_way.get(engine.model_id, 0),
    }
