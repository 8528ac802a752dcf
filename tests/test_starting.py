"""What people start it with: double-click scripts and the systemd unit. Windows itself is not tried."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house_process import served

ROOT = Path(__file__).parents[1]
BAT = ROOT / "start.bat"
COMMAND = ROOT / "start.command"
UNIT = ROOT / "deploy" / "ai-image-generator.service"


class Unit(configparser.RawConfigParser):
    """A unit file; ``environment`` are the variables it sets."""

    def __init__(self) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",))
        text = UNIT.read_text("utf-8")
        self.environment = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))
        self.read_string(text)


def test_every_line_of_the_windows_script_ends_as_windows_needs_it() -> None:
    content = BAT.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") > 30
    assert not content.startswith(b"\xef\xbb\xbf")


def test_the_windows_script_switches_to_utf_8_before_its_first_chinese_word() -> None:
    lines = BAT.read_text("utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if not line.isascii())
    assert lines.index("chcp 65001 >nul") < first
    assert all(line.isascii() for line in lines[: lines.index(":no_python")])


def test_every_jump_of_the_windows_script_has_its_goal_and_every_failure_waits_to_be_read() -> None:
    text = BAT.read_text("utf-8")
    goals = set(re.findall(r"^:(\w+)$", text, re.MULTILINE))
    jumps = set(re.findall(r"goto (\w+)", text))
    assert jumps <= goals
    failures = text.partition(":no_python")[2]
    assert failures.count("echo ") == 4
    assert re.search(r":wait\s+pause\s+exit /b 1\s*$", failures)


@pytest.mark.parametrize("script", [BAT, COMMAND], ids=lambda path: path.name)
def test_the_scripts_name_what_is_there(script: Path) -> None:
    text = script.read_text("utf-8")
    for name in ("requirements.txt", "web_app.py"):
        assert name in text
        assert (ROOT / name).is_file()
    assert "web_app.py --open" in text


def test_line_endings_survive_a_checkout() -> None:
    told = (ROOT / ".gitattributes").read_text("utf-8").splitlines()
    assert {"*.bat text eol=crlf", "*.command text eol=lf"} <= set(told)
    assert b"\r" not in COMMAND.read_bytes()
    assert os.access(COMMAND, os.X_OK)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script in a folder of its own, with a Python and a product that only say what they are asked."""
    shutil.copy(COMMAND, tmp_path)
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    return tmp_path


def run(folder: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    script = str(folder / "start.command")
    return subprocess.run(["/bin/sh", script], env=environment, capture_output=True, text=True, timeout=60)


def test_the_script_installs_once_and_starts(copy: Path) -> None:
    installing, starting = "-m pip install --quiet", "web_app.py --open"
    first, second = run(copy).stdout.splitlines(), run(copy).stdout.splitlines()
    assert first[0].startswith(installing)
    assert (first[1:], second) == ([starting], [starting])


def test_without_a_python_the_script_says_where_to_get_one(copy: Path) -> None:
    empty = copy / "empty"
    empty.mkdir()
    (empty / "dirname").symlink_to(shutil.which("dirname") or "")
    result = run(copy, str(empty))
    assert result.returncode == 1
    assert "Python 3.11" in result.stdout


def test_the_unit_starts_the_product_with_its_own_python_and_known_settings() -> None:
    unit = Unit()
    home = unit["Service"]["WorkingDirectory"]
    assert unit["Service"]["ExecStart"] == f"{home}/.venv/bin/python web_app.py"
    told = (ROOT / ".env.example").read_text("utf-8")
    assert set(unit.environment) == {"DATABASE_PATH", "OUTPUT_DIR", "SAMPLES_DIR"}
    assert all(f"\n{name}=" in told for name in unit.environment)


def test_the_unit_may_write_all_its_data_and_nothing_else() -> None:
    unit = Unit()
    writable = unit["Service"]["ReadWritePaths"]
    assert all(path.startswith(f"{writable}/") for path in unit.environment.values())
    assert unit["Service"]["StateDirectory"] == Path(writable).name
    assert unit["Service"]["ProtectSystem"] == "strict"
    assert unit["Service"]["NoNewPrivileges"] == "yes"


def test_the_unit_gives_more_time_to_stop_than_the_product_takes_and_does_not_repeat_a_wrong_setting() -> (
    None
):
    service = Unit()["Service"]
    assert int(service["TimeoutStopSec"]) > 12
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2")


def test_told_to_open_it_opens_a_browser_at_its_own_address(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o755)
    with served(tmp_path, "--open", image_model="demo", browser=f"{browser} %s") as house:
        house.stop()
    assert (tmp_path / "opened").read_text().strip() == f"http://localhost:{house.port}"
