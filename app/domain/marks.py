"""The marks that say a picture is AI-generated: what was asked for, what its file has, and the words.

``visible`` is whether the service was asked for its visible mark; None: not recorded, or it has no switch.
``aigc`` is the implicit mark of GB 45438-2025, ``{"place": a key of PLACES, "fields": {name: text}}``; False
when none was found, None when the file was not looked at. ``tagged``, where the service was asked for that
mark, is whether it says that it wrote it. ``c2pa`` is whether there is a C2PA manifest, which
is not verified; None when not looked at. ``laid``, of a picture that was changed through a mask, is the
difference at its edge (``app.images.laying``); False when the answer could not be laid over.
"""

from collections.abc import Mapping
from typing import Any

from app.errors import Message, message

EDGE_SEEN_FROM = 10.0  # of 255
PLACES: Mapping[str, str] = {"xmp": "XMP", "png": "PNG tEXt", "exif": "EXIF UserComment", "app11": "APP11"}


def marks_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The marks as stored; what is not of their form counts as not looked at or is left out."""
    aigc = stored.get("aigc")
    if isinstance(aigc, Mapping) and aigc.get("place") in PLACES:
        fields = aigc.get("fields")
        texts = {str(name): str(text) for name, text in fields.items()} if isinstance(fields, Mapping) else {}
        aigc = {"place": aigc["place"], "fields": texts}
    elif aigc is not False:
        aigc = None
    more = {"tagged": stored["tagged"]} if isinstance(stored.get("tagged"), bool) else {}
    if (laid := stored.get("laid")) is False or type(laid) in (int, float):
        more["laid"] = laid
    visible, c2pa = _flag(stored.get("visible")), _flag(stored.get("c2pa"))
    return {"visible": visible, "aigc": aigc, "c2pa": c2pa, **more}


def mark_word(marks: Mapping[str, Any]) -> Message:
    """Whether a picture says that it is AI-generated: in view, as the service was asked, or in its file."""
    if any(value for name, value in marks.items() if name != "laid"):
        return message("有")
    return message("没有" if marks["aigc"] is False else "未检查")


def edge_problem(marks: Mapping[str, Any]) -> Message | None:
    """What is to be looked at in a picture that was changed through a mask; None when nothing is."""
    if marks.get("laid") is False:
        return message("没能盖回原图：没涂的地方也可能变了，请对照原图看一遍")
    if marks.get("laid", 0) >= EDGE_SEEN_FROM:
        return message("边缘可能看得出，请放大看看；不满意就把范围涂大一些再改")
    return None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
