"""Fixtures of a studio of several people."""

from collections.abc import Callable

import pytest

from app.config import Settings
from app.domain import people
from app.people.login import LoginThrottle
from tests.people.harness import Office
from tools.fakes.clock import Clock


@pytest.fixture
def office(settings: Settings) -> Office:
    return Office(settings)


@pytest.fixture(scope="module")
def module_office(module_settings: Settings) -> Office:
    """As ``office``, for tests that only read, or are refused."""
    return Office(module_settings)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Passwords are compared directly -> the slow hash, which has its own tests."""
    slow = people._hash
    monkeypatch.setattr(people, "_hash", lambda text, *_how: f"0$0$0$0${text.encode().hex()}")
    return slow


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no delay end."""
    monkeypatch.setattr(LoginThrottle.__init__, "__defaults__", (Clock(),))
