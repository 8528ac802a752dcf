"""Dialogs that are fetched when they are first opened."""

from flask import Blueprint, current_app, render_template
from markupsafe import Markup

from app.domain import ASPECT_RATIOS, BUILT_IN_NAMES, OPTIONS, RESOLUTIONS, ROW_FIELDS, ModelSpec
from app.domain.recipes import ROLE_COLUMN, VARIANT_COLUMN, WORDS_COLUMN
from app.web.batch_columns import option_words
from app.web.i18n import translate
from app.web.page_model import model_choices
from app.web.services import services

bp = Blueprint("dialogs", __name__)

_OWN_REFERENCES = "参考图"  # as a role of a recipe names those of the product's row
_SAMPLING = ("seed", "steps")
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


@bp.get("/live/recipes")
def recipes() -> str:
    """The dialog of recipes and its styles, with the options of every model that a role can name."""
    models = services().row_models
    return render_template(
        "recipes/dialog.html",
        ratios=ASPECT_RATIOS,
        resolutions=RESOLUTIONS,
        choices=model_choices(),
        takes={model_id: _takes(spec) for model_id, spec in models.items()},
        options={name: translate(ROW_FIELDS[name].label) for name in (*OPTIONS, *_SAMPLING)},
        option_words=option_words(models),
        variables=(ROLE_COLUMN, VARIANT_COLUMN, *BUILT_IN_NAMES),
        words_column=WORDS_COLUMN,
        own_references=_OWN_REFERENCES,
    )


def _takes(spec: ModelSpec) -> dict[str, list[str]]:
    """What can be asked of a model besides words and size -> the values, none where any number is one."""
    found = {name: [] if isinstance(of, range) else list(of) for name, of in spec.options.items()}
    return found | {name: [] for name in _SAMPLING if getattr(spec, f"takes_{name}")}
