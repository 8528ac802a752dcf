"""The dialog of 交付, fetched when it is first opened."""

from flask import Blueprint, render_template

from app.delivery.checks import RULES
from app.delivery.plan import NAME, NUMBER, ROW
from app.delivery.profiles import BUILT_IN
from app.web.i18n import gettext
from app.web.provider_settings import is_of_this_machine

bp = Blueprint("delivery", __name__)


@bp.get("/live/delivery")
def dialog() -> str:
    """The dialog and its styles, with what rules and built-in profiles are called in this language."""
    return render_template(
        "delivery/dialog.html",
        may_save_folder=is_of_this_machine(),
        variables=(NAME, NUMBER, ROW),
        rules={rule: gettext(name) for rule, name in RULES.items()},
        shown={name: [gettext(name), gettext(profile.source)] for name, profile in BUILT_IN.items()},
    )
