"""The Chromium of the tests: found here, or installed by ``tests/browser/install``."""

import os
import shutil
from pathlib import Path

# The headless shell renders the same at half the cost.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def browser_path() -> str:
    """The path of the browser; empty without one."""
    found = os.environ.get("CHROMIUM") or next((p for n in _NAMES if (p := shutil.which(n))), "")
    return found or (_MAC if Path(_MAC).exists() else "")


def require_browser() -> str:
    """The path of the browser. Raises AssertionError without one."""
    found = browser_path()
    assert found, "no Chromium: run `sh tests/browser/install`, or set CHROMIUM to a browser's path"
    return found
