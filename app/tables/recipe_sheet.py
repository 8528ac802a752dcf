"""A recipe as a sheet: a line a role, as the rows of a table are, with the own column 角色."""

from collections.abc import Callable, Sequence
from typing import IO, Any

from app import sheets
from app.domain import ModelSpec
from app.domain.recipes import ROLE_COLUMN, Recipe
from app.errors import Translate


def write_sheet(recipe: Recipe, specs: Sequence[ModelSpec], *, translate: Translate) -> IO[bytes]:
    """The workbook of a recipe; a column that a role takes its references from is ``{产品图}`` there."""
    rows = []
    for role in recipe.roles:
        names = [f"{{{it}}}" if isinstance(it, str) else it.filename for it in role.images or ()]
        rows.append({**role.fields, "references": names, "columns": {ROLE_COLUMN: role.name}})
    return sheets.write_requests(rows, specs, translate=translate)


def read_sheet(content: bytes, filename: str, find_model: Callable[[str], ModelSpec]) -> list[dict[str, Any]]:
    """The untrusted roles in a workbook; fixed references are named. Raises SpreadsheetError and TooLarge."""
    found = sheets.read_workbook(content, filename, find_model=find_model)
    roles = []
    for row in found.rows:
        fields = {name: value for name, value in row.fields.items() if value not in (None, "")}
        if "filename" in fields:
            fields["file_name"] = fields.pop("filename")
        if row.references:
            fields["sample_images"] = [
                {"column": name[1:-1]}
                if name[:1] == "{" and name[-1:] == "}"
                else {"url": "", "filename": name}
                for name in row.references
            ]
        roles.append({"role": row.columns.get(ROLE_COLUMN, ""), **fields})
    return roles
