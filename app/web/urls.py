"""Addresses from outside: taken apart whatever they are, and followed only within this house."""

import re
from urllib.parse import SplitResult, urlsplit

_OWN_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")


def safe_urlsplit(address: str) -> SplitResult:
    """The parts of an address; of what is none, empty ones."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def safe_redirect_target(target: str) -> str:
    """The target, if it is a path of this site: never ``//elsewhere`` or what becomes that."""
    return target if _OWN_PATH.fullmatch(target) else "/"
