"""The Windows ZIP, built of stand-ins: of an empty Python, and of the installed packages for wheels."""

import hashlib
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools.portable import build, check
from tools.portable.check import NAME, SITE_PACKAGES, problems

PINNED = re.compile(r"^([\w.-]+)==(\S+) --hash=sha256:[0-9a-f]{64}$", re.MULTILINE)
HERE = Path(build.__file__).parent


def zip_of(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, part in files.items():
            archive.writestr(path, part)
    return content.getvalue()


def packages() -> dict[str, str]:
    """The pinned packages of the build -> their versions."""
    listed = "".join((HERE / name).read_text("utf-8") for name in ("wheels.txt", "sources.txt"))
    return dict(PINNED.findall(listed))


def stand_in_for_wheel(name: str) -> dict[str, bytes]:
    """The top of an installed package, with a Windows name for each binary part."""
    files = {}
    for file in metadata.files(name) or []:
        path = file.as_posix()
        if path.endswith(".so"):
            files[re.sub(r"\.[^/]*so$", ".cp313-win_amd64.pyd", path)] = b"MZ"
        elif ".dist-info/" in path or path.endswith(("/__init__.py", "/fr.dat", "/zh_Hans_CN.dat")):
            files[path] = Path(str(file.locate())).read_bytes()
        elif path.endswith(".py") and "/" not in path:
            files[path] = b""
    return files


SMALLEST = {
    f"{NAME}/{path}": content
    for path, content in {
        "启动.bat": b"@echo off\r\n",
        "program/web_app.py": b"import json, flask",
        "program/app/__init__.py": b"",
        "program/python/python.exe": b"MZ",
        "program/python/python313.zip": zip_of({"json/__init__.pyc": b""}),
        check.PTH_PATH: check.PTH,
        f"{SITE_PACKAGES}/flask/__init__.py": b"",
        f"{SITE_PACKAGES}/flask-3.1.3.dist-info/METADATA": b"Name: flask\nVersion: 3.1.3\nLicense: BSD\n",
    }.items()
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The stand-in for the embeddable Python, and a folder of wheels."""
    folder = tmp_path_factory.mktemp("portable")
    library = {f"{module}.pyc": b"" for module in sys.stdlib_module_names - {"tkinter", "idlelib", "venv"}}
    embed = folder / build.EMBED
    parts = {
        "python.exe": b"MZ",
        "python313.dll": b"MZ",
        "_ssl.pyd": b"MZ",
        "python313._pth": b"#import site",
    }
    embed.write_bytes(zip_of({**parts, "python313.zip": zip_of(library)}))
    wheels = folder / "wheels"
    wheels.mkdir()
    for name in packages():
        version = metadata.version(name)
        (wheels / f"{name}-{version}-py3-none-any.whl").write_bytes(zip_of(stand_in_for_wheel(name)))
    return embed, wheels


@pytest.fixture(scope="module")
def built(inputs: tuple[Path, Path]) -> tuple[Path, dict[str, bytes]]:
    embed, wheels = inputs
    target = embed.parent / "first.zip"
    return target, build.build(embed, wheels, target, sha256=sha256_of(embed))


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_build_has_the_packages_of_the_product_in_its_versions() -> None:
    required = Path("requirements.txt").read_text("utf-8").split()
    pinned = packages()
    for line in required:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pinned[wanted.name])


def test_a_build_is_checked_and_gives_the_same_bytes_twice(
    inputs: tuple[Path, Path], built: tuple[Path, dict[str, bytes]]
) -> None:
    embed, wheels = inputs
    first, files = built
    second = embed.parent / "second.zip"
    build.build(embed, wheels, second, sha256=sha256_of(embed))
    assert first.read_bytes() == second.read_bytes()
    assert files[f"{NAME}/program/python/python313._pth"] == check.PTH
    assert f"{NAME}/program/templates/layout.html" in files
    assert (first.with_name("SHA256SUMS").read_text("utf-8")).split() == [sha256_of(second), second.name]
    assert {path.split("/")[1] for path in files} == {"program", "启动.bat", "使用说明.txt"}
    locales = [path for path in files if "/locale-data/" in path]
    assert any(path.endswith("/zh_Hans_CN.dat") for path in locales)
    assert not any(path.endswith("/fr.dat") for path in locales)


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        (f"{SITE_PACKAGES}/PIL/_imaging.cpython-313-x86_64-linux-gnu.so", b"", "is not for Windows"),
        (f"{SITE_PACKAGES}/PIL/_imaging.cp312-win_amd64.pyd", b"MZ", "is not for Python 3.13 on Windows"),
        ("program/app/one.py", b"import tkinter", "imports tkinter, which is not there"),
        ("program/app/one.py", b"from jeepney.io import open", "imports jeepney.io, which is not there"),
        ("program/" + "x" * 200, b"", "characters, of 200"),
        ("program/App/__init__.py", b"", "are one file on Windows"),
        ("program/python/python313._pth", b"\xef\xbb\xbf" + check.PTH, "is not as it must be"),
        ("启动.bat", "@echo off\r\nrem 启动\r\n".encode(), "line 2: only a message"),
        ("启动.bat", b"@echo off\nset A=1\n", "lines that end with CR LF"),
        (
            f"{SITE_PACKAGES}/some-1.0.dist-info/METADATA",
            b"Name: some\nVersion: 1.0\nLicense: MIT\nRequires-Dist: colorama; sys_platform == 'win32'\n",
            'some needs colorama; sys_platform == "win32", which is not there',
        ),
        (
            f"{SITE_PACKAGES}/some-1.0.dist-info/METADATA",
            b"Name: some\nVersion: 1.0\nLicense: MIT\nRequires-Dist: flask>=9\n",
            "some needs flask>=9, which is 3.",
        ),
    ],
)
def test_what_windows_would_not_run_is_named(path: str, content: bytes, problem: str) -> None:
    assert problems(SMALLEST) == []
    assert any(problem in sentence for sentence in problems({**SMALLEST, f"{NAME}/{path}": content}))


def test_another_file_in_place_of_python_is_refused(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    embed, wheels = inputs
    with pytest.raises(build.BuildError, match="SHA-256 differs"):
        build.build(embed, wheels, tmp_path / "one.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_path_out_of_the_folder_of_a_wheel_is_refused(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    embed, _ = inputs
    (tmp_path / "bad-1-py3-none-any.whl").write_bytes(zip_of({"../bad.py": b""}))
    with pytest.raises(build.BuildError, match="leads out of its folder"):
        build.build(embed, tmp_path, tmp_path / "one.zip", sha256=sha256_of(embed))


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            "DLL load failed while importing _imaging: 应用程序控制策略已阻止此文件。",
            1,
            "选「属性」，勾选「解除锁定」",
        ),
        ("No module named 'flask'", 1, "Traceback"),
    ],
)
def test_a_part_that_windows_blocks_ends_in_a_sentence(
    tmp_path: Path, error: str, status: int, said: str
) -> None:
    (tmp_path / "start.py").write_bytes((HERE / "start.py").read_bytes())
    (tmp_path / "web_app.py").write_text(f"raise ImportError({error!r})", "utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "start.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert said in done.stdout + done.stderr
