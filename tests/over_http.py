"""Fixtures of the tests over HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from tests.web.harness import WebHarness
from tools.fakes.jimeng import FakeJimeng

# The modules whose statements no test of tests/core runs; of the others, and of fixtures of a module, SQLite
# is enough.
ON_POSTGRES = {
    *("test_api", "test_api_records", "test_api_usage", "test_deliveries", "test_library_api"),
    *("test_one_role", "test_postgres", "test_records_page", "test_tables_api", "test_tables_page"),
    *("test_workbooks", "test_cost_groups"),
}


def pytest_itemcollected(item: pytest.Item) -> None:
    room = item.path.relative_to(Path(__file__).parent).parts[0]
    if room in ("samples", "settings", "usage", "web") and item.path.stem not in ON_POSTGRES:
        item.add_marker(pytest.mark.sqlite)


@pytest.fixture
def web(settings: Settings, service: FakeJimeng) -> WebHarness:
    """An app with the fake Jimeng."""
    return WebHarness(replace(settings, **service.settings(model_timeout=60)))


@pytest.fixture
def demo(settings: Settings) -> WebHarness:
    """An app with the demo model, which accepts reference images of this computer."""
    return WebHarness(settings)


@pytest.fixture(scope="module")
def module_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings for all tests of a module, with a SQLite file."""
    folder = tmp_path_factory.mktemp("module")
    return Settings(
        database_path=folder / "generation_records.db",
        output_dir=folder / "output",
        samples_dir=folder / "samples",
    )


@pytest.fixture(scope="module")
def module_demo(module_settings: Settings) -> WebHarness:
    """As ``demo``, for tests that only read, or are refused."""
    return WebHarness(module_settings)


@pytest.fixture(scope="module")
def module_client(module_demo: WebHarness) -> FlaskClient:
    return module_demo.client


@pytest.fixture(scope="module")
def module_web(module_settings: Settings) -> Iterator[WebHarness]:
    """As ``web``, for tests that only read, or are refused."""
    with FakeJimeng() as service:
        yield WebHarness(replace(module_settings, **service.settings(model_timeout=60)))
