"""Resolves the relationships between the parts of an OOXML package."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from app.errors import SpreadsheetError
from app.sheets.limits import MAX_RELATIONS, TOO_MUCH, Attributes, OoxmlPackage


def main_part(package: OoxmlPackage) -> str:
    """The name of the workbook part; SpreadsheetError if it is missing."""
    relations = relations_of(package, "")
    found = (part for kind, part in relations.values() if kind == "officeDocument" and part in package)
    part = next(found, "xl/workbook.xml")
    if part not in package:
        raise SpreadsheetError("这个文件里没有工作簿，请在 Excel 里另存为 .xlsx 再导入")
    return part


def relations_of(package: OoxmlPackage, part: str) -> dict[str, tuple[str, str]]:
    """Relationship id -> (kind, part), from the ``.rels`` file of a part; {} without one."""
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

    rels = posixpath.join(folder, "_rels", f"{name}.rels")
    if rels in package:
        package.walk(rels, start)
    return relations


def _target(package: OoxmlPackage, folder: str, target: str) -> str:
    """The part of a target: absolute or relative to ``folder``, literal or percent-encoded."""
    path = posixpath.normpath(posixpath.join("/", folder, target.replace("\\", "/"))).lstrip("/")
    return path if path in package else unquote(path)
