"""Dialogs of every page, which are fetched when they are first opened."""

from flask import Blueprint, current_app, render_template
from markupsafe import Markup

bp = Blueprint("dialogs", __name__)

_WITH_SHORTCUTS = ("studio", "batch", "tables", "records", "samples")


@bp.get("/live/search-list")
def search_list() -> str:
    """The dialog of the command list and of earlier prompts, without options, and its styles."""
    return render_template("partials/search_list.html")


@bp.get("/live/shortcuts/")
@bp.get("/live/shortcuts/<page>")
def shortcuts(page: str = "") -> str:
    """The list of shortcuts: of the block ``shortcuts`` in this page's template, and of every page."""
    own = ""
    if page in _WITH_SHORTCUTS:
        template = current_app.jinja_env.get_template(f"pages/{page}.html")
        own = "".join(template.blocks["shortcuts"](template.new_context()))
    return render_template("partials/shortcuts.html", shortcuts=Markup(own))  # noqa: S704 - made by a template
