"""The API of presets."""

from flask import Blueprint
from werkzeug.wrappers import Response

import database
from app.domain.presets import PRESET_FIELDS, Preset, read_preset
from app.web.openapi.describe import describe
from app.web.openapi.schemas import AFFIX, FIELDS, Shape, answer, array_of, closed_object, strict_object
from app.web.params import json_body
from app.web.serializers import success
from app.web.services import connection

bp = Blueprint("presets", __name__)

_FIELDS: dict[str, Shape] = {name: AFFIX if name == "suffix" else FIELDS[name] for name in PRESET_FIELDS}
_PRESET = closed_object(name=str, fields=closed_object(PRESET_FIELDS, **_FIELDS))


@bp.get("/presets")
@describe("预设：大家共用的几项设置", answer(presets=array_of(_PRESET)))
def list_presets() -> Response:
    """All presets, by name."""
    return success(presets=[_preset_json(preset) for preset in database.list_presets(connection())])


@bp.put("/presets/<path:name>")
@describe("存一个预设，同名的被替换；没有写的不设", answer(preset=_PRESET), json=strict_object(**_FIELDS))
def put_preset(name: str) -> Response:
    """Store a preset; one of the same name is replaced."""
    preset = read_preset(name, json_body())
    database.save_preset(connection(), preset)
    return success(preset=_preset_json(preset))


@bp.delete("/presets/<path:name>")
@describe("删掉一个预设", answer(deleted=str))
def delete_preset(name: str) -> Response:
    """Delete a preset."""
    database.delete_preset(connection(), name)
    return success(deleted=name)


def _preset_json(preset: Preset) -> dict[str, object]:
    return {"name": preset.name, "fields": dict(preset.fields)}
