"""What people start it with: double-click scripts and the systemd unit. Windows itself is not tried."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

import web_app
from app.system import process
from tools.server_process import free_port, running_server

ROOT = Path(__file__).parents[2]
BAT = ROOT / "start.bat"
PORTABLE_BAT = ROOT / "tools" / "portable" / "启动.bat"
COMMAND = ROOT / "start.command"
UNITS = sorted(path.name for path in (ROOT / "deploy").glob("*.service"))


class Unit(configparser.RawConfigParser):
    """A unit file; ``environment`` are the variables it sets."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",))
        text = (ROOT / "deploy" / name).read_text("utf-8")
        self.environment = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))
        self.read_string(text)


@pytest.mark.parametrize("script", [BAT, PORTABLE_BAT])
def test_a_windows_script_has_crlf_line_ends(script: Path) -> None:
    content = script.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") > 20
    assert not content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("script", [BAT, PORTABLE_BAT])
def test_a_windows_script_switches_to_utf_8_before_its_first_chinese_word(script: Path) -> None:
    lines = script.read_text("utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if not line.isascii())
    assert lines.index("chcp 65001 >nul") < first
    assert all(line.isascii() for line in lines[: lines.index(":not_unpacked")])


@pytest.mark.parametrize("script", [BAT, PORTABLE_BAT])
def test_every_goto_of_a_windows_script_has_its_label_and_every_failure_pauses(script: Path) -> None:
    text = script.read_text("utf-8")
    goals = set(re.findall(r"^:(\w+)$", text, re.MULTILINE))
    jumps = set(re.findall(r"goto (\w+)", text))
    assert jumps <= goals
    messages = [line for line in text.splitlines() if not line.isascii()]
    question = ["choice /c YN /n", "goto answered"]  # whether Python is to be installed
    ends = [re.split(" ?& ", line)[1:] for line in messages]
    assert [end for end in ends if end != question] == [["goto wait"]] * (5 if script == BAT else 3)
    assert ends.count(question) == (script == BAT)
    assert re.search(r":wait\s+popd\s+pause\s+exit /b 1\s*$", text)


def test_the_windows_script_offers_winget_once_and_looks_for_python_again() -> None:
    text = BAT.read_text("utf-8")
    asking = text.partition("where winget")[2].partition(":python_found")[0]
    steps = (
        'set "ASKED=1"',
        "goto ask_python",
        ":answered",
        "%errorlevel% neq 1 goto no_python",
        "winget install",
    )
    assert [asking.count(step) for step in steps] == [1] * len(steps)
    assert sorted(steps, key=asking.index) == [*steps]
    assert asking.rstrip().endswith("goto find_python")
    assert text.index("if defined ASKED goto no_python") < text.index("where winget")


def test_the_windows_script_checks_exit_codes_and_unmaps_its_drive() -> None:
    text = BAT.read_text("utf-8")
    assert "if errorlevel" not in text  # a crash gives a negative exit code
    assert text.count('-c "import sys, pip;') == text.count("-m venv --clear .venv") == 1
    ways_out = re.findall(r"^(.*)\n(?:pause\n)?exit /b", text, re.MULTILINE)
    assert ways_out == ["popd", "popd"]  # on a network share pushd maps a drive letter


@pytest.mark.parametrize("script", [BAT, COMMAND], ids=lambda path: path.name)
def test_the_scripts_name_existing_files(script: Path) -> None:
    text = script.read_text("utf-8")
    for name in ("requirements.txt", "web_app.py"):
        assert name in text
        assert (ROOT / name).is_file()
    assert "web_app.py --open" in text


@pytest.mark.parametrize("file", ["README.md", "docs/README.en.md"])
def test_the_readme_is_short_and_lists_the_commands_of_make(file: str) -> None:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    assert len(lines) <= 110
    for command, plain in (
        ("make backup", r"`.venv\Scripts\python -m app.cli backup"),
        ("make check-store", r"`.venv\Scripts\python -m app.cli`"),
    ):
        assert any(command in line and plain in line for line in lines)


def test_line_endings_survive_a_checkout() -> None:
    contents = (ROOT / ".gitattributes").read_text("utf-8").splitlines()
    assert {"*.bat text eol=crlf", "*.command text eol=lf"} <= set(contents)
    assert b"\r" not in COMMAND.read_bytes()
    assert os.access(COMMAND, os.X_OK)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script in a folder with a difficult name, with a Python and a product that only say what they are
    asked."""
    data_dir = tmp_path / "图片 (2) & 'more'"
    (data_dir / ".venv/bin").mkdir(parents=True)
    shutil.copy(COMMAND, data_dir)
    (data_dir / "requirements.txt").write_text("flask\n")
    write_program(data_dir / ".venv/bin/python", 'echo "$@"')
    return data_dir


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(folder: Path, path: str | None = None, answer: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    script = str(folder / "start.command")
    return subprocess.run(
        ["/bin/sh", script], env=environment, input=answer, capture_output=True, text=True, timeout=60
    )


def test_the_script_installs_once_and_starts_the_server(copy: Path) -> None:
    installing, starting = "-m pip install --quiet", "web_app.py --open"
    first, second = run(copy).stdout.splitlines(), run(copy).stdout.splitlines()
    assert first[0].startswith(installing)
    assert (first[1:], second) == ([starting], [starting])


@pytest.mark.parametrize("old", [False, True], ids=["none", "too old"])
def test_without_a_python_the_script_says_where_to_get_one(copy: Path, tmp_path: Path, old: bool) -> None:
    shutil.rmtree(copy / ".venv")
    (empty := tmp_path / "empty").mkdir()
    (empty / "dirname").symlink_to(shutil.which("dirname") or "")
    if old:
        write_program(empty / "python3", "exit 1")
    result = run(copy, str(empty))
    assert result.returncode == 1
    assert "Python 3.11" in result.stdout
    assert "https://www.python.org/downloads/" in result.stdout


@pytest.mark.parametrize(("answer", "is_installed"), [("y\n", True), ("n\n", False), ("", False)])
def test_on_a_mac_homebrew_installs_python_after_a_question(
    copy: Path, tmp_path: Path, answer: str, is_installed: bool
) -> None:
    python = leave_behind(copy, "gone")
    (programs := tmp_path / "programs").mkdir()
    for name in ("dirname", "cmp", "cp", "rm", "mkdir"):
        (programs / name).symlink_to(shutil.which(name) or "")
    prefix = tmp_path / "homebrew"
    (prefix / "bin").mkdir(parents=True)
    install = f"cp {shlex.quote(str(python))} {shlex.quote(str(prefix / 'bin'))}"
    write_program(
        programs / "brew",
        f'[ "$1" = --prefix ] && echo {shlex.quote(str(prefix))} || {{ echo "$@"; {install}; }}',
    )
    result = run(copy, str(programs), answer)
    question, *rest = result.stdout.splitlines()
    assert "Homebrew" in question
    assert (result.returncode == 0) is is_installed
    assert ("install python@3.13" in rest) is is_installed
    assert rest[-1] == "web_app.py --open" if is_installed else "python.org" in rest[-1]
    if is_installed:  # nothing is asked while Homebrew has one, whatever PATH says
        shutil.rmtree(copy / ".venv")
        assert "Homebrew" not in run(copy, str(programs)).stdout


def leave_behind(data_dir: Path, what: str) -> Path:
    """A .venv as it is after Python was upgraded or taken away, with all that was installed -> a new Python.

    That one makes a .venv whose Python only says what it is asked.
    """
    shutil.rmtree(data_dir / ".venv", ignore_errors=True)
    (data_dir / ".venv/bin").mkdir(parents=True)
    python = data_dir / ".venv/bin/python"
    if what == "gone":
        python.symlink_to("/nowhere/python3.9")
    else:
        write_program(python, "exit 1")
    for mark in (".product", ".tests"):
        (data_dir / ".venv" / mark).touch()
    shutil.copy(data_dir / "requirements.txt", data_dir / ".venv")
    (programs := data_dir / "programs").mkdir()
    write_program(programs / "made", 'echo "$@"')
    make_venv = f'rm -r "$4" && mkdir -p "$4/bin" && cp {shlex.quote(str(programs / "made"))} "$4/bin/python"'
    write_program(programs / "python3.14", f'[ "$2" != venv ] || {{ {make_venv}; }}')
    return programs / "python3.14"


@pytest.mark.parametrize("what", ["gone", "of another version"])
def test_the_script_recreates_a_broken_venv(copy: Path, what: str) -> None:
    python = leave_behind(copy, what)
    installing, starting = run(copy, f"{python.parent}:{os.environ['PATH']}").stdout.splitlines()
    assert installing.startswith("-m pip install --quiet")
    assert starting == "web_app.py --open"


def test_make_recreates_a_broken_venv(copy: Path) -> None:
    python = leave_behind(copy, "gone")
    shutil.copy(ROOT / "Makefile", copy)
    result = make(copy, "run", f"PYTHON=programs/{python.name}")
    installing, starting = (line for line in result.stdout.splitlines() if line.startswith(("-m", "web_app")))
    assert installing.startswith("-m pip install --quiet")
    assert starting == "web_app.py"
    assert (copy / ".venv/.product").is_file()
    assert not (copy / ".venv/.tests").exists()


def test_make_with_an_old_python_names_the_required_version(copy: Path) -> None:
    leave_behind(copy, "gone")
    shutil.copy(ROOT / "Makefile", copy)
    write_program(copy / "python3", "exit 1")
    result = make(copy, "run", "PYTHON=./python3")
    assert result.returncode == 2
    assert "需要 Python 3.11" in result.stdout


def write_python(path: Path, version: str) -> None:
    """A Python of that version that only says what it is asked to do."""
    write_program(path, f'case "$*" in *sys.version\\)) echo {version} ;; *) echo {version} "$@" ;; esac')


@pytest.mark.parametrize(
    ("python_version", "is_made_anew"), [("3.13", True), ("3.12", False), (None, False)], ids=str
)
def test_make_with_another_python_version_recreates_the_venv(
    copy: Path, python_version: str | None, is_made_anew: bool
) -> None:
    shutil.copy(ROOT / "Makefile", copy)
    write_python(copy / ".venv/bin/python", "3.12")
    (copy / ".venv/.product").touch()
    write_python(copy / "python", str(python_version))
    result = make(copy, "run", *(["PYTHON=./python"] if python_version else []))
    assert (f"{python_version} -m venv --clear .venv" in result.stdout.splitlines()) is is_made_anew
    assert result.stdout.splitlines()[-1] == "3.12 web_app.py"


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``make`` as from a terminal, though the tests themselves may have been started by another one."""
    passed_on = ("MAKE", "MFLAGS", "PYTHON", "VENV")
    outer = {name: value for name, value in os.environ.items() if not name.startswith(passed_on)}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=outer, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest) -> Unit:
    return Unit(request.param)


def test_a_unit_starts_the_product_with_its_own_python_and_known_settings(unit: Unit) -> None:
    python, script = map(Path, unit["Service"]["ExecStart"].split())
    assert python == script.parent / ".venv/bin/python"
    assert (ROOT / script.name).is_file()
    assert unit.environment
    assert unknown_settings(unit.environment) == []


def test_what_is_set_for_several_machines_are_settings() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text("utf-8")
    compose = re.findall(r"^ +([A-Z_]+): ", text, re.MULTILINE)
    lines = re.findall(r"^ +([A-Z_]+)=", (ROOT / "docs/scaling.md").read_text("utf-8"), re.MULTILINE)
    assert {"DATABASE_URL", "OUTPUT_STORE", "ROLE"} <= set(compose)
    assert {"DATABASE_URL", "OUTPUT_STORE", "OSS_OUTPUT_PREFIX", "ACCESS_PASSWORD"} <= set(lines)
    assert unknown_settings([*compose, *lines]) == []


def unknown_settings(names: Iterable[str]) -> list[str]:
    contents = (ROOT / ".env.example").read_text("utf-8")
    of_others = ("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD")
    return [name for name in names if f"\n{name}=" not in contents and name not in of_others]


def test_a_unit_may_write_only_its_data(unit: Unit) -> None:
    writable = unit["Service"]["ReadWritePaths"]
    folders = [path for path in unit.environment.values() if path.startswith("/")]
    assert all(path.startswith(f"{writable}/") for path in folders)
    assert unit["Service"]["WorkingDirectory"] == writable  # where ``.env`` is
    assert unit["Service"]["StateDirectory"] == Path(writable).name
    assert unit["Service"]["ProtectSystem"] == "strict"
    assert unit["Service"]["NoNewPrivileges"] == "yes"


def test_a_unit_allows_enough_time_to_stop_and_does_not_restart_on_a_wrong_setting(unit: Unit) -> None:
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) > 12
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2")


def test_a_unit_allows_as_many_open_files_as_the_app_requests(unit: Unit) -> None:
    assert int(unit["Service"]["LimitNOFILE"]) == process.MOST_OPEN_FILES


def test_an_unexpected_os_error_stops_the_start_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.system.http_server.create_server", refuse)
    monkeypatch.setattr("app.log.init_logging", lambda file: None)
    monkeypatch.setattr("app.system.process.tune_process", lambda: None)
    monkeypatch.setenv("PORT", str(free_port()))
    assert web_app.main() == 1
    contents = capsys.readouterr().err
    assert contents.startswith("启动不了（[Errno 98] Address already in use），")
    assert contents.count("\n") == 1


def test_the_open_option_opens_a_browser_at_its_address(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o755)
    with running_server(
        tmp_path, "--open", image_model="demo", browser=f"{shlex.quote(str(browser))} %s"
    ) as server:
        server.stop()
    assert (tmp_path / "opened").read_text().strip() == f"http://localhost:{server.port}"
