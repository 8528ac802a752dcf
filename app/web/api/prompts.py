"""The API of earlier prompts."""

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.web.filters import PHRASE, search_of
from app.web.openapi.describe import describe
from app.web.openapi.schemas import ID, answer, array_of, closed_object, whole
from app.web.params import query
from app.web.serializers import success
from app.web.services import connection

bp = Blueprint("prompts", __name__)

MAX_PROMPTS = 50


@bp.get("/prompts")
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
