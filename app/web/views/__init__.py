"""Pages and the HTML fragments that keep them current: one blueprint a module."""

from app.web.views import batch, create, dialogs, health, media, records, status, tables

BLUEPRINTS = tuple(
    module.bp
    for module in (
        create,
        batch,
        tables,
        records,
        media,
        status,
        health,
        dialogs,
    )
)
