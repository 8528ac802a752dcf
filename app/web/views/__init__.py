"""Pages and the HTML fragments that keep them current."""

from app.web.views import batch, create, dialogs, health, media, records, status

BLUEPRINTS = (create.bp, batch.bp, batch.tables_bp, records.bp, media.bp, status.bp, health.bp, dialogs.bp)
