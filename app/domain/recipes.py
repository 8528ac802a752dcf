"""Recipes: what each picture of a set of one product asks for; a product and a role make a row of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product as combinations
from math import prod
from typing import Any

from app.domain.batches import MAX_PICTURES_A_BATCH
from app.domain.references import SampleImage
from app.domain.requests import MAX_OWN_NAME_LENGTH, MAX_OWN_TEXT_LENGTH, column_name
from app.domain.row_fields import HEADERS, MAX_REFERENCES, ROW_FIELDS
from app.domain.validation import READERS, normal_text, read_sample_images, trimmed_text
from app.domain.variables import variable_key
from app.errors import InvalidRequest

MAX_ROLES = 30
MAX_RECIPE_NAME_LENGTH = 40
MAX_ROLE_NAME_LENGTH = 40
# The own columns that a recipe gives its rows: the role, which of its variants, and the product's own words.
RECIPE_COLUMNS = ("角色", "变体", "原提示词")
ROLE_COLUMN, VARIANT_COLUMN, WORDS_COLUMN = RECIPE_COLUMNS
CATEGORY_COLUMNS = ("类目", "品类", "分类", "类别", "category")  # unless the recipe names another
# The fields of a role, by their names in a row; a role calls the file name file_name.
ROLE_FIELDS = tuple(name for name in ROW_FIELDS if name not in ("sample_images", "filename"))

_VARIANTS = re.compile(r"\{\{|\}\}|\{([^{}\n]*\|[^{}\n]*)\}")
_REFERENCE_HEADERS = frozenset(HEADERS["references"].split())


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeRole:
    """One picture of a set.

    fields  what its rows ask for, by the names of the fields of a row; texts with ``{列名}``
    images  its references: the names of columns that hold those of the product, or images of the library;
            None: those of the product's row
    """

    name: str
    fields: Mapping[str, Any]
    images: Sequence[str | SampleImage] | None = None

    def as_json(self) -> dict[str, Any]:
        """As the API and the store have it."""
        found = {"role": self.name, **self.fields}
        if "filename" in found:
            found["file_name"] = found.pop("filename")
        if self.images is not None:
            found["sample_images"] = [
                {"column": image}
                if isinstance(image, str)
                else {"url": image.url, "filename": image.filename}
                for image in self.images
            ]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A named list of roles. ``category`` is the column that says which products are of one kind."""

    name: str
    roles: Sequence[RecipeRole]
    category: str = ""

    def as_json(self) -> dict[str, Any]:
        """As the API and the store have it."""
        more = {"category": self.category} if self.category else {}
        return {"name": self.name, **more, "roles": [role.as_json() for role in self.roles]}

    def column_names(self) -> str:
        """A text in which the columns that the roles name stand in braces."""
        images = (f"{{{i}}}" for role in self.roles for i in role.images or () if isinstance(i, str))
        return " ".join([*images, *(str(value) for role in self.roles for value in role.fields.values())])


def read_recipe(name: Any, body: Any) -> Recipe:
    """Validate an untrusted recipe. Raises InvalidRequest; its field says where: ``roles.2.prompt``."""
    name = normal_text(name)
    if not 1 <= len(name) <= MAX_RECIPE_NAME_LENGTH:
        raise InvalidRequest("name", "请写一个名字，最多 {limit} 字", limit=MAX_RECIPE_NAME_LENGTH)
    roles = body.get("roles") if isinstance(body, Mapping) else None
    if not isinstance(roles, list) or not 1 <= len(roles) <= MAX_ROLES:
        number = len(roles) if isinstance(roles, list) else 0
        raise InvalidRequest("roles", "配方应有 1–{limit} 个角色，现在有 {n} 个", limit=MAX_ROLES, n=number)
    read = [_read_role(role, place) for place, role in enumerate(roles, 1)]
    keys = [variable_key(role.name) for role in read]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            text = "有两个角色都叫「{role}」，请改一个名字"
            raise InvalidRequest(f"roles.{place + 1}.role", text, role=read[place].name)
    category = body.get("category") or ""
    if not isinstance(category, str) or len(category) > MAX_OWN_NAME_LENGTH:
        raise InvalidRequest("category", "category 应为表里的列名")
    return Recipe(name=name, roles=read, category=column_name(category))


def _read_role(body: Any, place: int) -> RecipeRole:
    written = body.get("role") if isinstance(body, Mapping) else None
    name = column_name(written) if isinstance(written, str) else ""
    if not 1 <= len(name) <= MAX_ROLE_NAME_LENGTH:
        text = "第 {n} 个角色请写一个名字，最多 {limit} 字"
        raise InvalidRequest(f"roles.{place}.role", text, n=place, limit=MAX_ROLE_NAME_LENGTH)
    known = {"role", "file_name", "sample_images", *ROLE_FIELDS}
    field = next((field for field in body if field not in known), "")
    try:
        if field:
            raise InvalidRequest(field, "没有「{field}」这一项", field=field[:40])
        fields = {}
        for field in (*ROLE_FIELDS, "file_name"):
            target = "filename" if field == "file_name" else field
            if field == "prompt" or body.get(field) not in (None, ""):
                fields[target] = READERS[target](body.get(field))
        fields = {field: value for field, value in fields.items() if value not in (None, "")}
        variants_of(fields["prompt"])
        return RecipeRole(name=name, fields=fields, images=_read_images(body.get("sample_images")))
    except InvalidRequest as problem:
        at = f"roles.{place}.{problem.field}"
        text = "角色「{role}」：{problem}"
        raise InvalidRequest(at, text, role=name, problem=problem.message) from problem


def _read_images(value: Any) -> list[str | SampleImage] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_REFERENCES:
        raise InvalidRequest("sample_images", "参考图最多 {limit} 项", limit=MAX_REFERENCES)
    images: list[str | SampleImage] = []
    for each in value:
        column = each.get("column") if isinstance(each, Mapping) else None
        if column is None:
            images += read_sample_images([each])
        elif isinstance(column, str) and 1 <= len(column_name(column)) <= MAX_OWN_NAME_LENGTH:
            images.append(column_name(column))
        else:
            raise InvalidRequest("sample_images", "参考图的 column 应为表里的列名")
    return images


@lru_cache(4 * MAX_ROLES)  # each product of a table has the same roles
def variants_of(words: str) -> Sequence[tuple[str, str]]:
    """``{红|蓝}杯子`` -> (红, 红杯子), (蓝, 蓝杯子); several are combined; without one ("", words).

    ``{{`` is a brace. Raises InvalidRequest for an empty part, and for more than a run takes.
    """
    parts: list[list[str]] = []
    texts, end = list[str](), 0
    for found in _VARIANTS.finditer(words):
        if found[1] is None:
            continue
        chosen = [*dict.fromkeys(part.strip() for part in found[1].split("|"))]
        if "" in chosen:
            raise InvalidRequest("prompt", "「{part}」里有空的一项，请写上或去掉", part=found[0])
        texts.append(words[end : found.start()])
        parts.append(chosen)
        end = found.end()
    if (count := prod(map(len, parts))) > MAX_PICTURES_A_BATCH:
        raise too_many_pictures(count)

    def filled(choice: Sequence[str]) -> str:
        return "".join(text + part for text, part in zip(texts, choice, strict=True)) + words[end:]

    return [("·".join(choice), filled(choice)) for choice in combinations(*parts)]


def too_many_pictures(number: int) -> InvalidRequest:
    """The problem with more pictures than one run takes."""
    text = "一共 {n} 张，一次最多 {limit} 张，请分成几个表格，或减少角色和变体"
    return InvalidRequest("recipe", text, n=number, limit=MAX_PICTURES_A_BATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What a product has of its own: the fields of its row, and its own columns."""

    fields: Mapping[str, Any]
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a recipe asks of a row: its fields, and the columns of RECIPE_COLUMNS."""

    fields: Mapping[str, Any]
    columns: Mapping[str, str]


def expand(recipe: Recipe, product: Product, *, key_column: str) -> dict[tuple[str, str], Asked]:
    """The rows of a product by (role, variant), in their order.

    What a role does not say is that of the product's row. ``key_column``, if not empty, tells the products
    apart in file names that are not given; a single role without variants gives none. Raises InvalidRequest
    for more pictures than a run takes.
    """
    own = {name: value for name, value in product.fields.items() if name not in ("prompt", "position")}
    written = product.columns.get(WORDS_COLUMN) or ""
    found: dict[tuple[str, str], Asked] = {}
    for role in recipe.roles:
        for variant, prompt in variants_of(words_with(role.fields["prompt"], written)):
            fields = {**own, **role.fields, "prompt": prompt}
            name = role.fields.get("filename")
            if not name and (variant or len(recipe.roles) > 1):
                first = own.get("filename") or (f"{{{key_column}}}" if key_column else "")
                name = f"{first}_{{{ROLE_COLUMN}}}" if first else ""
            if name and variant and f"{{{VARIANT_COLUMN}}}" not in name:
                name += f"_{{{VARIANT_COLUMN}}}"
            if name:
                fields["filename"] = name
            if role.images is not None:
                fields["sample_images"] = [*_images_of(role.images, own.get("sample_images") or ())]
            columns = dict(zip(RECIPE_COLUMNS, (role.name, variant, cell_of(written)), strict=True))
            asked = {key: value for key, value in fields.items() if value not in (None, "", [])}
            found[role.name, variant] = Asked(fields=asked, columns=columns)
    return found


def words_with(words: str, written: str) -> str:
    """The words of a role for a product with these own words: they are put in where they have braces, whose
    variables and variants then count, or are too long for their cell."""
    if cell_of(written) == written and "{" not in written and "}" not in written:
        return words
    return words.replace(f"{{{WORDS_COLUMN}}}", trimmed_text(written))


def cell_of(written: str) -> str:
    """The own words of a product as their own column has them; empty when they are too long for it."""
    return written if len(written) <= MAX_OWN_TEXT_LENGTH else ""


def _images_of(images: Sequence[str | SampleImage], own: Sequence[Any]) -> Iterator[Any]:
    """References as a row has them; those that a column names follow its cell."""
    for image in images:
        if not isinstance(image, str):
            yield {"url": image.url, "filename": image.filename}
        elif variable_key(image).replace(" ", "") in _REFERENCE_HEADERS:
            yield from own
        else:
            yield {"url": "", "filename": f"{{{image}}}"}
