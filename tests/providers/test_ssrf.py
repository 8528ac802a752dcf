"""Which addresses are public."""

import socket
from typing import Any

import pytest

from app.providers.ssrf import AddressRefused, is_public, resolve_public


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
        *("172.16.0.1", "192.0.0.8", "192.168.1.1", "198.18.0.5", "224.0.0.1", "239.255.255.250"),
        *("240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1"),
        *("::ffff:10.0.0.1", "::ffff:0:169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::169.254.169.254", "::ffff:a9fe:a9fe", "100.127.255.255", "64:ff9b:1::8.8.8.8"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2002:7f00:1::", "2002:a00:1::1", "fc00::1"),
        *("fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "not an address"),
    ],
)
def test_a_non_public_address_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "114.114.114.114", "2400:3200::1", "64:ff9b::8.8.8.8"])
def test_a_public_address_is_accepted(address: str) -> None:
    assert is_public(address)


def answer_names_with(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_names_with(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(AddressRefused):
        resolve_public("pictures.example", 443)


def test_a_public_host_resolves_to_distinct_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_names_with(monkeypatch, "8.8.8.8", "8.8.8.8", "1.1.1.1")
    assert resolve_public("pictures.example", 443) == ["8.8.8.8", "1.1.1.1"]
