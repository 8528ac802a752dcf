"""Pages and the HTML fragments that keep them current: one blueprint a module."""

from app.web.views import batch, create, health, media, model, records, samples, status, usage

BLUEPRINTS = tuple(
    module.bp for module in (create, batch, records, samples, usage, model, media, status, health)
)
