"""Firefox and WebKitGTK, driven by the few commands of WebDriver that one journey needs.

Firefox listens on a socket (Marionette), WebKitGTK behind WebKitWebDriver answers over HTTP; both take the
same commands, so neither needs a client library.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tools.server_process import free_port
from tools.waiting import wait_until

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id in the protocol
_ERRORS = """
    const [done] = [...arguments].slice(-1);
    if (!globalThis.errors) {
        globalThis.errors = [];
        addEventListener("error", ({ message }) => errors.push(message));
        addEventListener("unhandledrejection", ({ reason }) => errors.push(String(reason)));
    }
    const script = document.querySelector("script[type=module]").src;
    import(script).then(() => done(errors), (error) => done([...errors, String(error)]));
"""
_VISIBLE = "return [...document.querySelectorAll(arguments[0])].find((one) => one.checkVisibility()) ?? null;"
_CONSOLE_ERRORS = """
    return Services.console.getMessageArray()
        .filter((one) => one instanceof Ci.nsIScriptError && one.sourceName.startsWith("http"))
        .filter((one) => !(one.flags & Ci.nsIScriptError.warningFlag)).map(String);
"""
_PREFERENCES = """
user_pref("intl.accept_languages", "zh-CN");
user_pref("ui.prefersReducedMotion", 1);
user_pref("marionette.port", %d);
"""


class CommandFailed(Exception):
    """The browser refused a command."""


class Engine(ABC):
    """A browser with one window."""

    @abstractmethod
    def _call(self, marionette: str, method: str, path: str, **parameters: Any) -> Any:
        """Run a command by its name in Marionette, or its method and path in HTTP."""

    def open(self, address: str) -> None:
        """Open a page without errors in its script, and collect later ones."""
        self._call("WebDriver:Navigate", "POST", "/url", url=address)
        errors = self.errors()
        assert not errors, (address, errors)

    def evaluate(self, script: str, *args: Any) -> Any:
        """What the body of a function returns in the page."""
        return self._call("WebDriver:ExecuteScript", "POST", "/execute/sync", script=script, args=args)

    def errors(self) -> list[str]:
        """The errors of the page's script, and those of the page since the first call."""
        script = {"script": _ERRORS, "args": []}
        found: list[str] = self._call("WebDriver:ExecuteAsyncScript", "POST", "/execute/async", **script)
        return found

    def wait_for(self, selector: str) -> dict[str, str]:
        """The first visible element."""
        found: list[dict[str, str] | None] = [None]

        def is_visible() -> bool:
            found[0] = self.evaluate(_VISIBLE, selector)
            return found[0] is not None

        wait_until(is_visible, lambda: f"{selector} did not appear; errors: {self.errors()}")
        assert found[0] is not None
        return found[0]

    def click(self, selector: str) -> None:
        """Click the first visible element, again if it is replaced or covered at that moment."""
        problem = ""

        def is_clicked() -> bool:
            nonlocal problem
            try:
                self._element("Click", "click", self.wait_for(selector)[_ELEMENT])
            except CommandFailed as error:
                problem = str(error)
                return False
            return True

        wait_until(is_clicked, lambda: problem)

    def type(self, text: str) -> None:
        """Type where the focus is."""
        element = self.evaluate("return document.activeElement;")[_ELEMENT]
        self._element("SendKeys", "value", element, text=text)

    def _element(self, marionette: str, path: str, element: str, **parameters: Any) -> None:
        path = f"/element/{element}/{path}"
        self._call(f"WebDriver:Element{marionette}", "POST", path, id=element, **parameters)


class Firefox(Engine):
    """Firefox without a window, over Marionette: JSON messages with their length before them."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._stream = self._socket.makefile("rb")
        self._read()
        self._call("WebDriver:NewSession", "", "", capabilities={})

    def _call(self, marionette: str, method: str, path: str, **parameters: Any) -> Any:
        message = json.dumps([0, 1, marionette, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._read()
        if error:
            raise CommandFailed(marionette, error)
        return result.get("value") if isinstance(result, dict) else result

    def _read(self) -> Any:
        length = b""
        while (byte := self._stream.read(1)) != b":":
            assert byte, "Firefox closed the connection"
            length += byte
        return json.loads(self._stream.read(int(length)))

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def open(self, address: str) -> None:
        """Also forget what the page before reports on being left, such as an interrupted request."""
        self._call("WebDriver:Navigate", "", "", url="about:blank")
        self._in_chrome("Services.console.reset();")
        super().open(address)

    def errors(self) -> list[str]:
        """The errors in Firefox's own console; importing the page's script once more would run it twice."""
        found: list[str] = self._in_chrome(_CONSOLE_ERRORS)
        return found

    def _in_chrome(self, script: str) -> Any:
        self._call("Marionette:SetContext", "", "", value="chrome")
        found = self.evaluate(script)
        self._call("Marionette:SetContext", "", "", value="content")
        return found


class WebKit(Engine):
    """WebKitGTK's MiniBrowser behind WebKitWebDriver."""

    def __init__(self, driver: str) -> None:
        browser = next(Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser"))
        options = {"binary": str(browser), "args": ["--automation"]}
        self._session = driver
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        made = self._call("", "POST", "/session", capabilities=wanted)
        self._session = f"{driver}/session/{made['sessionId']}"
        self._call("", "POST", "/window/rect", width=1440, height=900)

    def _call(self, marionette: str, method: str, path: str, **parameters: Any) -> Any:
        answer = requests.request(method, self._session + path, json=parameters, timeout=60)
        if not answer.ok:
            raise CommandFailed(answer.text)
        return answer.json()["value"]

    def close(self) -> None:
        self._call("", "DELETE", "")


@contextmanager
def firefox() -> Iterator[Engine]:
    """A started Firefox; skips where there is none."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if not program:
        pytest.skip("no Firefox: install firefox-esr (tests/browser/install does, on Debian as root)")
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, ExitStack() as stack:
        Path(profile, "user.js").write_text(_PREFERENCES % port)
        options = ["--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
        size = ["--width=1440", "--height=900"]
        stack.enter_context(_running([program, *options, *size, "--profile", profile]))
        _wait_for_port(port)
        with closing(Firefox(port)) as engine:
            yield engine


@contextmanager
def webkit() -> Iterator[Engine]:
    """A started WebKitGTK on a display of its own; skips where there is none."""
    for program in ("WebKitWebDriver", "Xvfb"):
        if not shutil.which(program):
            pytest.skip(f"no {program}: install webkit2gtk-driver and xvfb (tests/browser/install does)")
    read, write = os.pipe()
    port = free_port()
    with ExitStack() as stack:
        screen = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1440x900x24", "-nolisten", "tcp"]
        stack.enter_context(_running(screen, pass_fds=[write]))
        display = f":{os.read(read, 20).decode().strip()}"
        variables = {**os.environ, "DISPLAY": display, "GDK_BACKEND": "x11", "LIBGL_ALWAYS_SOFTWARE": "1"}
        stack.enter_context(_running(["WebKitWebDriver", f"--port={port}"], env=variables))
        _wait_for_port(port)
        with closing(WebKit(f"http://127.0.0.1:{port}")) as engine:
            yield engine


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for_port(port: int) -> None:
    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(answers)
