"""The marks that say a picture is AI-generated: what was asked for, what its file has, and the words.

``visible`` is whether the service was asked for its visible mark; None: not recorded, or it has no switch.
``aigc`` is the implicit mark of GB 45438-2025, ``{"place": a key of PLACES, "fields": {name: text}}``; False
when none was found, None when the file was not looked at. ``tagged``, where the service was asked for that
mark, is whether it says that it wrote it. ``c2pa`` is whether there is a C2PA manifest, which
is not verified; None when not looked at.
"""

from collections.abc import Mapping
from typing import Any

from app.errors import Message, message

PLACES: Mapping[str, str] = {"xmp": "XMP", "png": "PNG tEXt", "exif": "EXIF UserComment", "app11": "APP11"}


def marks_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The marks as stored, ``tagged`` only if it is; what is not of their form counts as not looked at."""
    aigc = stored.get("aigc")
    if isinstance(aigc, Mapping) and aigc.get("place") in PLACES:
        fields = aigc.get("fields")
        texts = {str(name): str(text) for name, text in fields.items()} if isinstance(fields, Mapping) else {}
        aigc = {"place": aigc["place"], "fields": texts}
    elif aigc is not False:
        aigc = None
    tagged = {"tagged": stored["tagged"]} if isinstance(stored.get("tagged"), bool) else {}
    visible, c2pa = _flag(stored.get("visible")), _flag(stored.get("c2pa"))
    return {"visible": visible, "aigc": aigc, "c2pa": c2pa, **tagged}


def mark_word(marks: Mapping[str, Any]) -> Message:
    """Whether a picture says that it is AI-generated: in view, as the service was asked, or in its file."""
    if any(marks.values()):
        return message("有")
    return message("没有" if marks["aigc"] is False else "未检查")


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
