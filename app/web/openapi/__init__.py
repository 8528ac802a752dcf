"""The OpenAPI document: ``@describe`` stands beside each route, and the document collects it."""
