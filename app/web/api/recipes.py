"""The API of recipes, and of a recipe applied to a table."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
from app import sheets
from app.domain import MAX_PICTURES_A_ROW
from app.domain.recipes import (
    MAX_RECIPE_NAME_LENGTH,
    MAX_ROLE_NAME_LENGTH,
    MAX_ROLES,
    VARIANT_COLUMN,
    Recipe,
    read_recipe,
)
from app.domain.tables import MAX_ROWS_A_TABLE, Row
from app.errors import Conflict, InvalidRequest, NotFound
from app.images.filenames import safe_stem
from app.tables.check import Checker
from app.tables.recipe_examples import CHINESE, ENGLISH, EXAMPLES
from app.tables.recipe_sheet import read_sheet, write_sheet
from app.tables.recipes import apply_recipe, recipe_of
from app.web.downloads import XLSX, workbook
from app.web.i18n import gettext, is_english, translator
from app.web.openapi.describe import describe
from app.web.openapi.schemas import (
    FIELDS,
    FILE,
    ID,
    answer,
    array_of,
    closed_object,
    open_object,
    or_null,
    strict_object,
    text,
    whole,
)
from app.web.params import json_body
from app.web.person import current_person
from app.web.serializers import success
from app.web.services import connection, services
from app.web.submit import find_model, row_reader

bp = Blueprint("recipes", __name__)
_STORED = "recipes"
_IMAGE = strict_object(column=text(description="产品自己的图：表里的列名"), url=str, filename=str)
_ROLE = strict_object(
    *("role", "prompt"),
    role=text(minLength=1, maxLength=MAX_ROLE_NAME_LENGTH),
    **{name: {} for name in FIELDS if name not in ("filename", "num_images", "sample_images")},
    num_images=whole(1, MAX_PICTURES_A_ROW),
    sample_images=or_null(array_of(_IMAGE)) | {"description": "不写就用产品那一行的参考图"},
    file_name=text(description="花括号里可以写列名、角色、变体；不写是产品的文件名加角色"),
)
_ROLES = array_of(_ROLE, minItems=1, maxItems=MAX_ROLES) | {
    "description": "文字里花括号里的列名换成产品的那一格；用 | 隔开的是变体，各做一行。没写的用产品那一行的"
}
_CATEGORY = text(description="产品分类的列名：先试的行每类一个")
_FIELDS: dict[str, Any] = {"name": str, "category": _CATEGORY, "roles": _ROLES}
_RECIPE = strict_object("name", "roles", **_FIELDS, built_in=bool)
_PROBLEM = strict_object(
    *("role", "field", "error", "products"),
    **dict.fromkeys(("role", "field", "error"), str),
    products=array_of(ID) | {"description": "有这个问题的产品，是它们的行号"},
)

_FIRST = closed_object(**dict.fromkeys(("role", "variant", "prompt", "filename"), str), references=[str])


@bp.get("/recipes")
@describe("配方：自带的，和自己的", answer(recipes=array_of(_RECIPE)))
def list_recipes() -> Response:
    """The examples, then the stored ones by name."""
    stored = [read_recipe(name, body) for name, body in database.list_named(connection(), _STORED).items()]
    return success(
        recipes=[_shown(recipe) for recipe in [*(ENGLISH if is_english() else CHINESE).values(), *stored]]
    )


@bp.get("/recipes/<path:name>")
@describe("一个配方", answer(recipe=_RECIPE))
def get_recipe(name: str) -> Response:
    """One recipe."""
    return success(recipe=_shown(_named(name)))


@bp.get("/recipes/<path:name>/sheet.xlsx")
@describe("一个配方的表格：一个角色一行，可以改好再导入", XLSX)
def export_recipe(name: str) -> Response:
    """A recipe as a workbook."""
    recipe = _named(name)
    file = write_sheet(recipe, services().orderable, translate=translator())
    return workbook(file, gettext("{name}-配方.xlsx", name=safe_stem(recipe.name)))


@bp.post("/recipes/import")
@describe(
    "读一份配方的表格，不会存下来：要有角色和提示词两列",
    answer(recipe=_RECIPE),
    files=open_object("file", file=FILE),
)
def import_recipe() -> Response:
    """The recipe in a workbook, named as the file."""
    upload = request.files.get("file")
    if upload is None:
        raise InvalidRequest("file", "请选择一个表格文件：.xlsx、.xlsm、.xls、.xlsb、.et、.ods 或 .csv")
    filename = upload.filename or ""
    roles = read_sheet(upload.stream.read(sheets.MAX_UPLOAD + 1), filename, find_model)
    name = PurePath(filename.replace("\\", "/")).stem[:MAX_RECIPE_NAME_LENGTH] or gettext("配方")
    return success(recipe=_shown(_read(name, {"roles": roles})))


@bp.put("/recipes/<path:name>")
@describe(
    "存一个自己的配方，同名的被替换；用过它的表格不变",
    answer(recipe=_RECIPE),
    json=strict_object("roles", **_FIELDS),
)
def put_recipe(name: str) -> Response:
    """Store a recipe; one of the same name is replaced."""
    _require_own(name)
    recipe = _read(name, json_body())
    database.save_named(connection(), _STORED, recipe.name, recipe.as_json())
    return success(recipe=_shown(recipe))


@bp.delete("/recipes/<path:name>")
@describe("删掉一个自己的配方；用过它的表格不变", answer(deleted=str))
def remove_recipe(name: str) -> Response:
    """Delete a recipe."""
    _require_own(name)
    database.delete_named(connection(), _STORED, name)
    return success(deleted=name)


@bp.post("/tables/<table_id>/recipe")
@describe(
    "把配方用到表格：产品 × 角色就是它的行，不会开始生成；可以撤销。apply=0 只看会怎样",
    answer(
        **dict.fromkeys(("products", "rows", "pictures", "to_make", "version"), int),
        price=or_null(float) | {"description": "还要做的 to_make 张一共多少钱"},
        problems=array_of(_PROBLEM),
        first=array_of(_FIRST) | {"description": "第一个产品会送出什么"},
    ),
    json=strict_object(
        recipe={"description": "配方的名字，或配方本身；不写就再用一次这个表格的"},
        apply=whole(0, 1, default=1),
        rows=array_of(ID, maxItems=MAX_ROWS_A_TABLE)
        | {"description": "只把这些行当作产品；不写就是所有的行"},
        back=array_of(ID) | {"description": "这些产品去掉过的角色又都要"},
    ),
)
def apply_to_table(table_id: str) -> Response:
    """Make the rows of a table those of its products and the roles of a recipe."""
    body, db = json_body(), connection()
    ids, back = body.get("rows"), body.get("back", [])
    recipe = _asked(body.get("recipe"), table_id)
    checker = Checker(reader=row_reader())
    stores, me = bool(body.get("apply", 1)), current_person()
    applied = apply_recipe(
        db, table_id, recipe, checker=checker, ids=ids, back=back, stores=stores, person_id=me.id
    )
    names = ("products", "rows", "pictures", "to_make", "price")
    return success(
        **{name: getattr(applied, name) for name in names},
        problems=[problem._asdict() for problem in applied.problems],
        first=[_sent(row) for row in applied.first],
        version=applied.changed.table.version,
    )


def _sent(row: Row) -> dict[str, Any]:
    """What a row sends, with the cells of its product filled in."""
    texts = {name: str(row.sent.get(name) or row.fields.get(name, "")) for name in ("prompt", "filename")}
    for column, cell in () if row.sent else row.columns.items():  # a row with problems, or without braces
        texts = {name: text.replace(f"{{{column}}}", cell) for name, text in texts.items()}
    names = [str(image["filename"]) for image in row.fields.get("sample_images") or ()]
    references = [row.columns.get(name.strip("{}"), "") if name[:1] == "{" else name for name in names]
    variant = row.columns.get(VARIANT_COLUMN, "")
    return {"role": row.role, "variant": variant, **texts, "references": [*filter(None, references)]}


def _asked(written: Any, table_id: str) -> Recipe:
    """The recipe that a body names or has, else that of the table. Raises InvalidRequest and NotFound."""
    table = database.get_table(connection(), table_id)
    if isinstance(written, Mapping):
        return _read(written.get("name") or table.name[:20] or "配方", written)
    if isinstance(written, str) and written:
        return _named(written)
    if written not in (None, ""):
        raise InvalidRequest("recipe", "recipe 应为配方的名字，或配方本身")
    if (own := recipe_of(table)) is None:
        raise NotFound("这个表格还没有用过配方，请选一个")
    return own


def _read(name: str, body: Mapping[str, Any]) -> Recipe:
    """An untrusted recipe, with the ids of its models. Raises InvalidRequest."""
    recipe = read_recipe(name, body)
    roles = []
    for place, role in enumerate(recipe.roles, 1):
        if model := role.fields.get("model"):
            try:
                role = replace(role, fields={**role.fields, "model": find_model(model).model_id})
            except InvalidRequest as problem:
                text, at = "角色「{role}」：{problem}", f"roles.{place}.model"
                raise InvalidRequest(at, text, role=role.name, problem=problem.message) from problem
        roles.append(role)
    return replace(recipe, roles=roles)


def _named(name: str) -> Recipe:
    """The recipe of this name. Raises NotFound."""
    if name in EXAMPLES:
        return EXAMPLES[name]
    if stored := database.list_named(connection(), _STORED).get(name):
        return read_recipe(name, stored)
    raise NotFound("没有配方「{name}」", name=name[:40])


def _require_own(name: str) -> None:
    if name.strip() in EXAMPLES:
        raise Conflict("「{name}」是自带的，改不了；可以用另一个名字存一份", name=name.strip())


def _shown(recipe: Recipe) -> dict[str, Any]:
    return {**recipe.as_json(), "built_in": EXAMPLES.get(recipe.name) is recipe}
