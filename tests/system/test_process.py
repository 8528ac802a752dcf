"""Process settings, signals and sleep inhibition. Windows is simulated."""

import ctypes
import logging
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import wakepy

import web_app
from app.config import Settings
from app.runtime import Runtime
from app.system import process
from tests.harness import worker_of
from tools.server_process import ROOT, ServerProcess, running_server
from tools.waiting import TIMEOUT, wait_until

QUICK_EDIT, EXTENDED = 0x40, 0x80
CTRL_C, CTRL_BREAK, CLOSE, LOGOFF, SHUTDOWN = 0, 1, 2, 5, 6


class FakeWindows:
    """The used part of ``kernel32``: a console with a mode, and handlers of its events."""

    def __init__(self, mode: int | None) -> None:
        self.mode = mode
        self.handlers: list[Callable[[int], int]] = []

    def GetStdHandle(self, number: int) -> int:
        assert number == -10
        return 84

    def GetConsoleMode(self, handle: ctypes.c_void_p, mode: Any) -> int:
        assert handle.value == 84
        if self.mode is None:  # no console: a service, or input from a file
            return 0
        mode._obj.value = self.mode
        return 1

    def SetConsoleMode(self, handle: ctypes.c_void_p, mode: int) -> int:
        assert handle.value == 84
        self.mode = mode
        return 1

    def SetConsoleCtrlHandler(self, handler: Callable[[int], int], add: bool) -> int:
        assert add
        self.handlers.insert(0, handler)
        return 1


def test_quick_edit_is_disabled_while_it_runs_and_restored_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, exit_handlers = FakeWindows(mode=0x1F7), list[Callable[[], object]]()
    monkeypatch.setattr("atexit.register", lambda call, *args: exit_handlers.append(lambda: call(*args)))
    process.disable_quick_edit(windows)
    assert windows.mode == 0x1F7 & ~QUICK_EDIT | EXTENDED
    for each in exit_handlers:
        each()
    assert windows.mode == 0x1F7


@pytest.mark.parametrize("mode", [None, 0x187])
def test_a_console_without_quick_edit_is_not_changed(mode: int | None) -> None:
    windows = FakeWindows(mode)
    process.disable_quick_edit(windows)
    assert windows.mode == mode


@pytest.mark.parametrize(
    ("event", "ends"), [(CLOSE, 1), (LOGOFF, 1), (SHUTDOWN, 1), (CTRL_C, 0), (CTRL_BREAK, 0)]
)
def test_only_console_events_that_end_the_process_are_handled(event: int, ends: int) -> None:
    windows, events = FakeWindows(mode=None), list[str]()
    callback = process.on_console_close(lambda: events.append("end"), windows)
    (handler,) = windows.handlers
    assert handler is callback
    assert (handler(event), len(events)) == (ends, ends)


def test_closing_a_windows_console_leaves_time_to_release_work(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = FakeWindows(mode=None)
    monkeypatch.setattr(process, "_windows", lambda: windows)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    web_app.init_storage(settings)
    runtime = Runtime(settings)
    runtime.start()
    shutdown = web_app.ShutdownHandler(runtime)
    shutdown.listen()
    assert windows.handlers[0](CLOSE) == 1
    assert runtime.threads.aborting.is_set()
    assert not any(thread.is_alive() for thread in runtime.threads._threads)
    assert web_app._CLOSED_SECONDS < 5  # the limit of Windows


def test_closing_the_window_stops_it_like_a_signal_even_when_sent_twice(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.send_signal(signal.SIGHUP)
        server.send_signal(signal.SIGHUP)
        assert server.wait() in (0, -signal.SIGHUP)  # the second may come while the interpreter ends
        assert "马上退出；" not in server.log()
        assert "event=stopped" in (tmp_path / "generation_records.log").read_text("utf-8")


def test_the_end_of_the_work_interrupts_the_wait_for_connections() -> None:
    ours, theirs = socket.socketpair()

    def wait() -> None:
        threading.Timer(0.1, web_app._interrupt_main).start()
        select.select([ours], [], [], TIMEOUT)

    with ours, theirs, pytest.raises(KeyboardInterrupt):
        wait()


def test_signals_during_exit_do_not_interrupt_it(settings: Settings) -> None:
    runtime = Runtime(settings)
    shutdown = web_app.ShutdownHandler(runtime)
    runtime.stop(0)
    with pytest.raises(SystemExit) as caught:
        shutdown._on_signal(signal.SIGINT, None)
    assert caught.value.code == 0
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        shutdown._on_signal(number, None)


def test_closing_the_terminal_is_a_clean_exit_without_a_reader(tmp_path: Path) -> None:
    class InTerminal(ServerProcess):
        program = ("-c", _IN_TERMINAL)

    parent_end, child_end = pty.openpty()
    server = InTerminal(tmp_path, terminal=os.ttyname(child_end))
    try:
        server.start()
        os.close(child_end)
        os.close(parent_end)  # the system sends SIGHUP, and later writes fail
        assert server.wait() == 0
        assert "event=stopped" in (tmp_path / "generation_records.log").read_text("utf-8")
    finally:
        server.kill()


def test_nohup_keeps_it_running_without_a_window(tmp_path: Path) -> None:
    class Outliving(ServerProcess):
        program = ("-c", _NOHUP)

    server = Outliving(tmp_path)
    try:
        server.start()
        ignored = Path(f"/proc/{server.pid}/status").read_text("ascii").partition("SigIgn:")[2].split()[0]
        assert int(ignored, 16) >> (signal.SIGHUP - 1) & 1  # the system drops the signal
        server.send_signal(signal.SIGHUP)
        assert server.get("/healthz")["stopping"] is False
        assert server.stop() == 0
    finally:
        server.kill()


_SERVE = f"runpy.run_path({str(ROOT / 'web_app.py')!r}, run_name='__main__')"
_NOHUP = f"""
import runpy, signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
{_SERVE}
"""
_IN_TERMINAL = f"""
import os, runpy
os.setsid()
terminal = os.open(os.environ["TERMINAL"], os.O_RDWR)
os.dup2(terminal, 1)
os.dup2(terminal, 2)
{_SERVE}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such bound")
@pytest.mark.parametrize(("soft", "hard", "then"), [(256, 6000, 4096), (256, 1000, 1000), (5000, 6000, 5000)])
def test_a_low_open_file_limit_is_raised(soft: int, hard: int, then: int) -> None:
    code = (
        "import resource; from app.system import process;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "process.tune_process(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(then), str(hard)]


@pytest.mark.parametrize("outcome", ["WAKEPY_FAKE_SUCCESS", "WAKEPY_FORCE_FAILURE"])
def test_sleep_is_inhibited_during_work_and_a_while_after(
    outcome: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(outcome, "1")
    caplog.set_level(logging.INFO)
    now = [0.0]
    with process.inhibit_sleep(clock=lambda: now[0]) as set_busy:
        for now[0], is_busy, is_inhibited in (
            (0.0, False, False),
            (1.0, True, True),
            (500.0, True, True),
            (1000.0, False, True),
            (1099.0, False, True),
            (1101.0, False, False),
            (2000.0, False, False),
            (2001.0, True, True),
        ):
            set_busy(is_busy)
            assert wakepy.modecount() == is_inhibited
        assert [mode.active for mode in wakepy.global_modes()] == [outcome == "WAKEPY_FAKE_SUCCESS"]
    assert wakepy.modecount() == 0
    assert not caplog.records


def test_the_worker_reports_whether_it_is_busy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.worker.POLL_SECONDS", 0.01)
    web_app.init_storage(settings)
    reported = list[bool]()
    released = threading.Event()

    @contextmanager
    def stay_awake() -> Iterator[Callable[[bool], None]]:
        yield reported.append
        released.set()

    runtime = Runtime(settings, stay_awake=stay_awake)
    runtime.start()
    wait_until(lambda: False in reported)
    worker_of(runtime).claimed_ids.append(1)
    wait_until(lambda: reported[-1])
    worker_of(runtime).claimed_ids.remove(1)
    assert runtime.stop(10)
    assert released.is_set()
