"""The dialog of 交付, fetched when it is first opened, and the contact sheet of a table."""

from flask import Blueprint, render_template, request

import database
from app.delivery import api
from app.delivery.checks import RULES
from app.delivery.naming import NAME, NUMBER, ROW
from app.delivery.profiles import BUILT_IN
from app.domain import Pick, Status
from app.tables.results import list_results
from app.web.i18n import gettext
from app.web.person import is_of_this_machine
from app.web.services import connection

bp = Blueprint("delivery", __name__)
BLUEPRINTS = (bp, api.bp)


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


@bp.get("/tables/<table_id>/contact-sheet")
def contact_sheet(table_id: str) -> str:
    """The pictures of a table for paper; ``?pick=keep``: those that were kept."""
    table = database.get_table(connection(), table_id)
    made = [record for record in list_results(connection(), table) if record.status is Status.SUCCESS]
    if request.args.get("pick") == Pick.KEEP:
        made = [record for record in made if record.pick == Pick.KEEP]
    return render_template("delivery/contact_sheet.html", table=table, records=made)
