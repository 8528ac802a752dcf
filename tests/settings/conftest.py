"""Fixtures of the tests over HTTP."""

from tests.web.conftest import module_demo, module_settings, pytest_itemcollected

__all__ = ["module_demo", "module_settings", "pytest_itemcollected"]
