"""Changes of ``.env``: the value arrives, and everything else of the file stays."""

import os
import stat
import subprocess
import sys
import threading
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config import values_in
from app.env_file import EnvFile, set_variables
from app.errors import DiskError, SettingError

EXAMPLE = (Path(__file__).parents[1] / ".env.example").read_text("utf-8")


def save(path: Path, **changes: str) -> None:
    with EnvFile(path, {}).edit() as edit:
        edit.save(changes)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "ARK_API_KEY=new\n"),
        ("PORT=1", "PORT=1\nARK_API_KEY=new\n"),
        ("PORT=1\r\n", "PORT=1\r\nARK_API_KEY=new\r\n"),
        ("ARK_API_KEY=\nPORT=1\n", "ARK_API_KEY=new\nPORT=1\n"),
        ("# 密钥\nARK_API_KEY=old\n\nPORT=1\n", "# 密钥\nARK_API_KEY=new\n\nPORT=1\n"),
        ("export ARK_API_KEY = 'o ld'  # 张三的\nPORT=1", "export ARK_API_KEY = new  # 张三的\nPORT=1"),
        ('ARK_API_KEY="a\nb" # x\nPORT=1\n', "ARK_API_KEY=new # x\nPORT=1\n"),
        ("ARK_API_KEY=a\nARK_API_KEY=b\n", "ARK_API_KEY=a\nARK_API_KEY=new\n"),
        ("# ARK_API_KEY=\nPORT=1\n", "ARK_API_KEY=new\nPORT=1\n"),
        ("\n  #ARK_API_KEY=\r\nPORT=1\r\n", "\n  ARK_API_KEY=new\r\nPORT=1\r\n"),
        ("# ARK_API_KEY=sk-… 旧的\nPORT=1\n", "# ARK_API_KEY=sk-… 旧的\nARK_API_KEY=new\nPORT=1\n"),
        ("# ARK_API_KEY=\nARK_API_KEY=old\n", "# ARK_API_KEY=\nARK_API_KEY=new\n"),
        ('UNKNOWN=x y\nOUTPUT_DIR="D:\\new\\"\n', 'UNKNOWN=x y\nOUTPUT_DIR="D:\\new\\"\nARK_API_KEY=new\n'),
    ],
)
def test_only_the_value_changes(before: str, after: str) -> None:
    assert set_variables(before, {"ARK_API_KEY": "new"}) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ARK_API_KEY=old\nPORT=1\n", "ARK_API_KEY=\nPORT=1\n"),
        ("ARK_API_KEY=old # 张三的\n", "ARK_API_KEY='' # 张三的\n"),
        ("PORT=1\n", "PORT=1\n"),
        ("# ARK_API_KEY=\n", "# ARK_API_KEY=\n"),
    ],
)
def test_an_empty_value_unsets_the_variable(before: str, after: str) -> None:
    assert set_variables(before, {"ARK_API_KEY": ""}) == after
    assert not values_in(after, ".env").get("ARK_API_KEY")


def test_every_variable_of_the_example_is_set_in_its_line() -> None:
    names = [line.rstrip("=") for line in EXAMPLE.splitlines() if line.endswith("=")]
    changed = set_variables(
        EXAMPLE, {name: f"x-{name}" for name in names if not name.endswith(("_DIR", "_PATH"))}
    )
    assert len(changed.splitlines()) == len(EXAMPLE.splitlines())
    assert values_in(changed, ".env")["ARK_API_KEY"] == "x-ARK_API_KEY"


_VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(list("#'\"\\$` =\u2028")), max_size=30
).map(str.strip)
_LINES = st.lists(
    st.sampled_from(
        [
            "# 注释",
            "",
            "PORT=5050",
            "# SEEDREAM_MODEL=",
            "SEEDREAM_MODEL='a # b' # c",
            "SEEDREAM_MODEL=x#y  # z",
            "export OPENAI_IMAGE_MODEL = old",
            "OUTPUT_DIR=D:\\new",
            "ODD=${HOME}",
            "SEEDREAM_MODEL= # leer",
        ]
    ),
    max_size=8,
)


@settings(deadline=None)
@given(lines=_LINES, newline=st.sampled_from(["\n", "\r\n"]), one=_VALUES, two=_VALUES)
def test_any_value_survives_a_round_trip(lines: list[str], newline: str, one: str, two: str) -> None:
    text = newline.join(lines)
    changes = {"SEEDREAM_MODEL": one, "OPENAI_IMAGE_MODEL": two}
    changed = set_variables(text, changes)
    before, after = values_in(text, ".env"), values_in(changed, ".env")
    assert {**before, **changes} == {**dict.fromkeys(changes, ""), **after}
    assert changed.count("\n") >= text.count("\n")
    for line in lines:  # what is not about these variables is still there, in the same order
        assert "_MODEL" in line or line in changed


def test_byte_order_mark_and_mode_stay(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfPORT=1\r\n")
    path.chmod(0o640)
    save(path, PORT="2")
    assert path.read_bytes() == b"\xef\xbb\xbfPORT=2\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in tmp_path.iterdir()] == [".env"]


def test_a_new_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    save(tmp_path / ".env", PORT="2")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("PORT=1\n")
    (tmp_path / ".env").symlink_to("real")
    save(tmp_path / ".env", PORT="2")
    assert (tmp_path / ".env").is_symlink()
    assert (tmp_path / "real").read_text() == "PORT=2\n"


def test_a_failed_write_leaves_the_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("PORT=1\n")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="No space left"):
        save(path, PORT="2")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["PORT=1\n"]


def test_what_a_killed_save_left_is_replaced_and_never_committed(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from app.env_file import EnvFile\n"
        "os.fsync = lambda _handle: os.kill(os.getpid(), 9)\n"
        "with EnvFile(Path(sys.argv[1]), {}).edit() as edit: edit.save({'ARK_API_KEY': 'geheim'})"
    )
    root = Path(__file__).parents[1]
    path = tmp_path / ".env"
    subprocess.run(
        [sys.executable, "-c", program, str(path)], env={**os.environ, "PYTHONPATH": str(root)}, check=False
    )
    (left,) = tmp_path.iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    ignored = (root / ".gitignore").read_text().split()
    for name in (left.name, ".env-ab12_x9z"):  # the second by earlier versions
        assert any(fnmatch(name, pattern) for pattern in ignored)
    save(path, PORT="2")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["PORT=2\n"]


def test_the_new_name_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    save(tmp_path / ".env", PORT="2")
    assert synced == [(tmp_path / ".env").stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path / "pipe", tmp_path):
        link = tmp_path / ".env"
        link.symlink_to(target)
        before = target.stat().st_ino
        with pytest.raises(SettingError, match="特殊"):
            save(link, PORT="2")
        assert target.stat().st_ino == before
        link.unlink()


def test_a_file_that_cannot_be_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("ARK_API_KEY='geheim\nPORT=1\n")
    with pytest.raises(SettingError, match="第 1 行") as caught:
        save(path, PORT="2")
    assert "geheim" not in str(caught.value)
    assert path.read_text() == "ARK_API_KEY='geheim\nPORT=1\n"


def test_no_change_is_lost_between_threads(tmp_path: Path) -> None:
    file = EnvFile(tmp_path / ".env", {})

    def write(number: int) -> None:
        with file.edit() as edit:
            edit.save({f"X_{number}": "1"})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.values() == {f"X_{number}": "1" for number in range(20)}


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no locks there")
def test_no_change_is_lost_between_processes(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from app.env_file import EnvFile\n"
        "for n in range(10):\n"
        "    with EnvFile(Path(sys.argv[1]), {}).edit() as edit: edit.save({f'{sys.argv[2]}_{n}': '1'})"
    )
    path = tmp_path / ".env"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), name],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        for name in "AB"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(EnvFile(path, {}).values()) == 20
