"""Which part of the package another names: the relations that are told beside it."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from app.errors import SpreadsheetError
from app.sheets.limits import MAX_RELATIONS, TOO_MUCH, Attributes, OoxmlPackage


def main_part(package: OoxmlPackage) -> str:
    """The part of the workbook itself; SpreadsheetError when there is none."""
    relations = relations_of(package, "")
    found = (part for kind, part in relations.values() if kind == "officeDocument" and part in package)
    part = next(found, "xl/workbook.xml")
    if part not in package:
        raise SpreadsheetError("这个文件里没有工作簿，请在 Excel 里另存为 .xlsx 再导入")
    return part


def relations_of(package: OoxmlPackage, part: str) -> dict[str, tuple[str, str]]:
    """Relation id -> (kind, part), as told beside that part."""
    folder, name = posixpath.split(part)
    relations: dict[str, tuple[str, str]] = {}

    def start(element: str, attributes: Attributes) -> None:
        if len(relations) > MAX_RELATIONS:
            raise SpreadsheetError(TOO_MUCH)
        if element == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            relations[attributes.get("Id", "")] = (
                kind,
                _target(package, folder, attributes.get("Target", "")),
            )

    beside = posixpath.join(folder, "_rels", f"{name}.rels")
    if beside in package:
        package.walk(beside, start)
    return relations


def _target(package: OoxmlPackage, folder: str, told: str) -> str:
    """The part a target means, from the root or the folder, as it stands or percent-encoded."""
    path = posixpath.normpath(posixpath.join("/", folder, told.replace("\\", "/"))).lstrip("/")
    return path if path in package else unquote(path)
