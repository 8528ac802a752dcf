"""Fixtures of the tests over HTTP."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from tests.web.harness import WebHarness
from tools.fakes.jimeng import FakeJimeng


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
