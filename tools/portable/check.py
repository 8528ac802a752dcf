"""What would not work on Windows in the files of the portable build, found without running them."""

import ast
import io
import sys
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from pathlib import PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "AI图片生成器"
_PYTHON = "program/python"
SITE_PACKAGES = f"{_PYTHON}/Lib/site-packages"
PTH_PATH = f"{_PYTHON}/python313._pth"
# sys.path, from the folder of python.exe; a byte order mark would stop Python. ".." holds the program.
PTH = b"python313.zip\r\n.\r\nLib\\site-packages\r\n..\r\nimport site\r\n"
_LONGEST_PATH = 200  # characters; Windows takes 260 with the folder that it is unpacked to
_OPTIONAL = {"psycopg", "_typeshed"}  # of DATABASE_URL, which says what is missing; of type checkers
_WINDOWS = {
    "sys_platform": "win32",
    "platform_system": "Windows",
    "os_name": "nt",
    "platform_machine": "AMD64",
    "python_version": "3.13",
    "python_full_version": "3.13.11",
    "extra": "",
}


def problems(files: Mapping[str, bytes]) -> list[str]:
    """A sentence for each problem of the files of a build, by their paths in the ZIP."""
    inside = {path.removeprefix(f"{NAME}/"): content for path, content in files.items()}
    return [
        *_bad_paths(files),
        *_foreign_binaries(inside),
        *_unresolved_imports(inside),
        *_absent_packages(inside),
        *_bad_start(inside),
    ]


def _bad_paths(files: Mapping[str, bytes]) -> Iterator[str]:
    known: dict[str, str] = {}
    for path in files:
        if len(path) > _LONGEST_PATH:
            yield f"{path} has {len(path)} characters, of {_LONGEST_PATH}"
        if other := known.get(path.casefold()):
            yield f"{path} and {other} are one file on Windows"
        known[path.casefold()] = path


def _foreign_binaries(files: Mapping[str, bytes]) -> Iterator[str]:
    abi3 = _abi3_folders(files)
    for path in files:
        name = PurePosixPath(path).name
        if name.endswith((".so", ".dylib")):
            yield f"{path} is not for Windows"
        elif name.endswith(".pyd") and path.startswith(SITE_PACKAGES):
            package = path.removeprefix(f"{SITE_PACKAGES}/").split("/")[0]
            if not name.endswith(".cp313-win_amd64.pyd") and package not in abi3:
                yield f"{path} is not for Python 3.13 on Windows"


def _abi3_folders(files: Mapping[str, bytes]) -> set[str]:
    """The top-level packages of wheels for abi3 and win_amd64."""
    found = set()
    for path, content in files.items():
        if path.endswith(".dist-info/WHEEL") and b"-abi3-win_amd64" in content:
            listed = files.get(path.removesuffix("WHEEL") + "top_level.txt", b"").decode().split()
            name = PurePosixPath(path).parent.name.split("-")[0]
            found.update(listed or [name])
    return found


def _unresolved_imports(files: Mapping[str, bytes]) -> Iterator[str]:
    known = _standard_library(files) | _OPTIONAL
    for folder in (f"{SITE_PACKAGES}/", "program/"):
        for path in files:
            if path.startswith(folder):
                known.add(path.removeprefix(folder).split("/")[0].split(".")[0])
    for path, content in files.items():
        if not path.endswith(".py") or not path.startswith("program/") or path.startswith(_PYTHON):
            continue
        for node in ast.walk(ast.parse(content)):
            for module in _modules_of(node):
                if module.split(".")[0] not in known:
                    yield f"{path} imports {module}, which is not there"


def _modules_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        return [node.module]
    return []


def _standard_library(files: Mapping[str, bytes]) -> set[str]:
    """The modules of the embeddable Python, which lacks some."""
    known = set(sys.builtin_module_names) | {"__future__"}
    for path, content in files.items():
        relative = path.removeprefix(f"{_PYTHON}/")
        if relative == "python313.zip":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                known.update(name.split("/")[0].split(".")[0] for name in archive.namelist())
        elif path.startswith(_PYTHON) and "/" not in relative and relative.endswith(".pyd"):
            known.add(relative.split(".")[0])
    return known


def _absent_packages(files: Mapping[str, bytes]) -> Iterator[str]:
    """pip reads the markers of the computer that it runs on, not those of Windows."""
    described = {
        path: BytesParser().parsebytes(content)
        for path, content in files.items()
        if path.startswith(SITE_PACKAGES) and path.endswith(".dist-info/METADATA")
    }
    there = {canonicalize_name(metadata["Name"]): metadata["Version"] for metadata in described.values()}
    for path, metadata in described.items():
        package = path.removesuffix(".dist-info/METADATA")
        is_licensed = metadata.get("License") or metadata.get("License-Expression")
        if not is_licensed and not any(p.startswith(package) and "licen" in p.lower() for p in files):
            yield f"{metadata['Name']} says nothing of its licence"
        for line in metadata.get_all("Requires-Dist", []):
            wanted = Requirement(line)
            if wanted.marker and not wanted.marker.evaluate(_WINDOWS):
                continue
            version = there.get(canonicalize_name(wanted.name))
            if version is None or not wanted.specifier.contains(version, prereleases=True):
                yield f"{metadata['Name']} needs {wanted}, which is {version or 'not there'}"


def _bad_start(files: Mapping[str, bytes]) -> Iterator[str]:
    if files.get(PTH_PATH) != PTH:
        yield f"{PTH_PATH} is not as it must be"
    script = files.get("启动.bat", b"")
    lines = script.split(b"\r\n")
    if not script.startswith(b"@echo off\r\n") or b"\n" in b"".join(lines):
        yield "启动.bat starts with @echo off and has lines that end with CR LF"
    for number, line in enumerate(lines, 1):
        if not line.isascii() and not line.startswith(b"echo "):
            yield f"启动.bat, line {number}: only a message with its jump may hold Chinese"
    for path in (f"{_PYTHON}/python.exe", f"{_PYTHON}/python313.zip", "program/web_app.py"):
        if path not in files:
            yield f"{path} is not there"
