"""Pages and the HTML fragments that keep them current: one blueprint a module."""

from app.web.views import batch, create, dialogs, health, media, records, status, tables

BLUEPRINTS = (create.bp, batch.bp, tables.bp, records.bp, media.bp, status.bp, health.bp, dialogs.bp)
