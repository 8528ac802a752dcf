"""The people who share an installation: their roles, names and passwords. No I/O."""

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

_COST, _BLOCK, _LANES = 14, 8, 1  # of scrypt: 50 ms and 16 MB


class PersonRole(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    MEMBER = "member"
    OWNER = "owner"

    def covers(self, least: "PersonRole") -> bool:
        """Whether this role may do what ``least`` may."""
        ranks = [*PersonRole]
        return ranks.index(self) >= ranks.index(least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who makes a request. ``id`` is None for the one at the machine, where no password is set."""

    id: int | None = None
    name: str = "主人"
    role: PersonRole = PersonRole.OWNER
    month_limit_micros: int | None = None

    @property
    def is_owner(self) -> bool:
        """Whether they may do everything."""
        return self.role is PersonRole.OWNER


def fold_name(name: str) -> str:
    """The key by which names are compared: letter case, width and spaces do not count."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def hash_password(password: str) -> str:
    """What is stored of a password: the parameters, a salt of its own, and the hash."""
    return _hash(password, _COST, _BLOCK, _LANES, secrets.token_hex(16))


def is_password(attempt: str, stored: str) -> bool:
    """Whether an attempt is the password of which this is stored; takes as long for any."""
    cost, block, lanes, salt, _ = stored.split("$")
    return hmac.compare_digest(_hash(attempt, int(cost), int(block), int(lanes), salt), stored)


def secret_digest(secret: str) -> str:
    """What is stored of a token, or of the link of an invitation: of 32 random bytes, so it needs no salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _hash(password: str, cost: int, block: int, lanes: int, salt: str) -> str:
    content = password.encode("utf-8", "replace")
    digest = hashlib.scrypt(content, salt=bytes.fromhex(salt), n=2**cost, r=block, p=lanes)
    return f"{cost}${block}${lanes}${salt}${digest.hex()}"
