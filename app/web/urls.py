"""Parses untrusted URLs and checks redirect targets."""

import re
from urllib.parse import SplitResult, urlsplit

from flask import request

_OWN_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")


def safe_urlsplit(address: str) -> SplitResult:
    """``urlsplit`` that returns empty parts for an invalid URL instead of raising."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def safe_redirect_target(target: str) -> str:
    """The target if it is a path of this site, else ``/``: prevents open redirects such as ``//host``."""
    return target if _OWN_PATH.fullmatch(target) else "/"


def referring_path() -> str:
    """The path of the referring page when it is on this host, else ``/``."""
    before = safe_urlsplit(request.referrer or "")
    if before.netloc.lower() != request.host.lower():
        return "/"
    return safe_redirect_target(f"{before.path}?{before.query}" if before.query else before.path)
