"""The dialog of 交付, fetched when it is first opened."""

from flask import Blueprint, render_template

from app.delivery.profiles import BUILT_IN
from app.web.i18n import gettext
from app.web.provider_settings import is_of_this_machine

bp = Blueprint("delivery", __name__)

_VARIABLES = ("文件名", "序号", "行号")  # of names, besides own columns


@bp.get("/live/delivery")
def dialog() -> str:
    """The dialog and its styles, with what built-in profiles are called in this language."""
    return render_template(
        "delivery/dialog.html",
        may_save_folder=is_of_this_machine(),
        variables=_VARIABLES,
        shown={name: [gettext(name), gettext(profile.source)] for name, profile in BUILT_IN.items()},
    )
