"""``/api/openapi.json``: the description of the API."""

import hashlib
import json
from typing import Any

from flask import Blueprint, Response, current_app
from werkzeug.wrappers import Response as AnyResponse

from app.web.etags import with_etag
from app.web.i18n import translate
from app.web.openapi.describe import UNCHANGED, describe
from app.web.openapi.document import document

bp = Blueprint("openapi", __name__)


@bp.get("/openapi.json")
@describe("这份文档", {"type": "object"}, also=UNCHANGED)
def get_document() -> AnyResponse:
    """The document, in the language of the request."""
    text = json.dumps(_translated(document(current_app)), ensure_ascii=False, separators=(",", ":"))
    tag = hashlib.sha256(text.encode()).hexdigest()[:16]
    return with_etag(Response(text, mimetype="application/json"), tag)


def _translated(part: Any) -> Any:
    """Translate every string of the document into the language of this request."""
    if isinstance(part, dict):
        return {name: _translated(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_translated(value) for value in part]
    return translate(part) if isinstance(part, str) else part
