"""Isolation from the terminal, script and machine that start the tests."""

import os
import signal
from types import FrameType

from app.config import SETTINGS


def isolate_environment() -> None:
    """Isolate this process and the servers that tests start from it. Call once, before any test."""
    _let_children_receive_signals()
    _remove_variables()


def _let_children_receive_signals() -> None:
    """Reset ignored and blocked signals (SIGHUP under ``nohup``), which children would inherit.

    A handler of our own ignores a signal too, but is not inherited.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGCHLD"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, _ignore)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    pass


def _remove_variables() -> None:
    """Remove settings of the product and proxies from the environment."""
    for name in list(os.environ):
        if name.upper() in SETTINGS or name.lower().endswith("_proxy"):
            del os.environ[name]
