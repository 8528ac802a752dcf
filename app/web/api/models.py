"""The API of what a row can be ordered with: the image models, and earlier prompts."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.domain import BudgetScope
from app.web.filters import PHRASE, search_of
from app.web.openapi.describe import describe
from app.web.openapi.schemas import ID, answer, array_of, closed_object, or_null, whole
from app.web.params import query
from app.web.person import list_budgets
from app.web.serializers import pace_json, spec_json, success
from app.web.services import connection, services
from app.worker.engines import Engine

bp = Blueprint("models", __name__)
prompts_bp = Blueprint("prompts", __name__)

MAX_PROMPTS = 50


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


@prompts_bp.get("/prompts")
@describe(
    "用过的提示词，不重复，新的在前；search 是要含有的词",
    answer(prompts=array_of(closed_object(prompt=str, record_id=ID, created_at=str))),
    query={"search": PHRASE, "limit": whole(1, MAX_PROMPTS, default=MAX_PROMPTS)},
)
def list_prompts() -> Response:
    """Different prompts of earlier records with their newest record, newest first; ``?search=&limit=``."""
    asked = query()
    search = search_of(asked)
    return success(prompts=database.list_prompts(connection(), search=search, limit=asked["limit"]))
