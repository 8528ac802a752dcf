"""Formats amounts; an unknown price is shown as unknown, never as 0."""

from decimal import Decimal

from app.domain import Record
from app.domain.ledger import known_amount
from app.web.i18n.language import gettext
from app.web.views.create import pages


def money(amount: Decimal | None, unpriced: int = 0) -> str:
    """CNY with two decimals, more only if not zero. ``unpriced`` charges are not in the amount."""
    if amount is None or known_amount(amount, unpriced) is None:
        return gettext("价格未设")
    cents = amount.quantize(Decimal("0.01"))
    return f"¥{cents:,f}" if cents == amount else f"¥{amount.normalize():,f}"


@pages.app_template_filter("cost")
def cost(record: Record) -> str:
    """Cost of a record, or the amount that may have been charged."""
    if record.cost is None or (not record.cost and record.at_stake is None):
        return gettext("价格未设")
    if record.cost:
        return f"¥{record.cost:.2f}"
    return gettext("可能已计费 {sum}", sum=money(record.at_stake)) if record.at_stake else gettext("免费")


@pages.app_template_filter("stake")
def stake(amount: Decimal | None) -> str:
    """The amount for scripts, as ``0.44``; empty when unknown."""
    return "" if amount is None else f"{amount:.2f}"
