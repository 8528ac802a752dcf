"""What the tests must not inherit from the terminal, the script or the machine that starts them."""

import os
import signal
from dataclasses import fields
from types import FrameType

from app.config import Settings


def isolate_environment() -> None:
    """Once, before any test: for this process, and for the servers that tests start from it."""
    _let_children_receive_signals()
    _remove_variables()


def _let_children_receive_signals() -> None:
    """What is ignored or blocked here (SIGHUP under ``nohup``, SIGINT in the background) would be so in every
    child. A handler of our own ignores it as well, and no child inherits that."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGCHLD"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, _ignore)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""


def _remove_variables() -> None:
    """Settings of the product and proxies: tests set those they mean."""
    settings = {field.name.upper() for field in fields(Settings)}
    for name in list(os.environ):
        if name.upper() in settings or name.lower().endswith("_proxy"):
            del os.environ[name]
