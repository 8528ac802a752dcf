"""Build AI图片生成器-win64.zip: ``make portable PYTHON_EMBED=python-3.13.11-embed-amd64.zip``.

The ZIP holds the program, its packages for Windows and the embeddable Python of python.org, which is given as
a file. Nothing is compiled or run; ``check.py`` says what would not work on Windows. The same input gives the
same bytes.
"""

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tools.portable.check import NAME, PTH, PTH_PATH, SITE_PACKAGES, problems

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
EMBED = "python-3.13.11-embed-amd64.zip"
EMBED_SHA256 = "1ec066fb61ba5e8c73e29e048cd07c26850f74585e3a116005135b31b8004890"
_PROGRAM = ("app", "templates", "static", "web_app.py", "database.py", "generator.py", "oss_client.py")
_PLATFORM = ("--platform", "win_amd64", "--python-version", "3.13", "--implementation", "cp")
_KEPT_LOCALES = ("zh", "en", "root")  # of babel's 36 MB
_MADE_AT = (2026, 1, 1, 0, 0, 0)  # of each entry, so that a build can be repeated


class BuildError(Exception):
    """The ZIP cannot be built, with the reason."""


def build(embed: Path, wheels: Path, target: Path, sha256: str = EMBED_SHA256) -> dict[str, bytes]:
    """Write the ZIP and its SHA256SUMS -> the entries of the ZIP by path.

    ``wheels`` holds a wheel of each package, for Windows or pure. Raises BuildError.
    """
    if hashlib.sha256(embed.read_bytes()).hexdigest() != sha256:
        raise BuildError(f"{embed.name} is not {EMBED} of python.org: its SHA-256 differs from {sha256}")
    files = {f"{NAME}/{path}": content for path, content in sorted(_files(embed, wheels))}
    if found := problems(files):
        raise BuildError("\n".join(found))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, _MADE_AT), content, zipfile.ZIP_DEFLATED)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    target.with_name("SHA256SUMS").write_text(f"{digest}  {target.name}\n", encoding="utf-8")
    return files


def _files(embed: Path, wheels: Path) -> Iterator[tuple[str, bytes]]:
    yield "启动.bat", (HERE / "启动.bat").read_bytes()
    notes = (HERE / "使用说明.txt").read_text(encoding="utf-8")
    yield "使用说明.txt", notes.replace("\n", "\r\n").encode("utf-8-sig")  # as old editors of Windows read it
    yield "program/start.py", (HERE / "start.py").read_bytes()
    yield from _program()
    for path, content in _entries(embed):
        if not path.endswith("._pth"):
            yield f"program/python/{path}", content
    yield PTH_PATH, PTH
    for wheel in sorted(wheels.glob("*.whl")):
        for path, content in _package(wheel):
            yield f"{SITE_PACKAGES}/{path}", content


def _program() -> Iterator[tuple[str, bytes]]:
    """What is committed of the program."""
    command = ["git", "archive", "--format=tar", "HEAD", *_PROGRAM]
    archived = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archived)) as archive:
        for member in archive:
            if content := archive.extractfile(member):
                yield f"program/{member.name}", content.read()


def _package(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """The modules of a wheel; of a part in C that was built here only what is pure."""
    for path, content in _entries(wheel):
        parts = PurePosixPath(path).parts
        if parts[0].endswith(".data"):
            if parts[1] not in {"purelib", "platlib"}:
                continue
            parts = parts[2:]
        if parts[-1] == "RECORD" or parts[-1].endswith(".so") or _is_left_out(parts):
            continue
        yield "/".join(parts), content


def _is_left_out(parts: tuple[str, ...]) -> bool:
    if parts[:2] == ("babel", "locale-data"):
        return parts[2].split("_")[0].removesuffix(".dat") not in _KEPT_LOCALES
    return parts[:2] == ("Crypto", "SelfTest")


def _entries(archive: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            path = PurePosixPath(entry.filename)
            if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
                raise BuildError(f"{archive.name}: {entry.filename} leads out of its folder")
            if not entry.is_dir():
                yield str(path), opened.read(entry)


def fetch_wheels(folder: Path) -> None:
    """Download the packages of wheels.txt and make wheels of those of sources.txt, by their hashes."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    exact = ["--require-hashes", "--no-deps"]
    binary = ["download", *_PLATFORM, "--only-binary", ":all:", "--dest", str(folder)]
    source = ["wheel", "--no-binary", ":all:", "--wheel-dir", str(folder)]
    for command, listed in ((binary, "wheels.txt"), (source, "sources.txt")):
        if subprocess.run([*pip, *command, *exact, "-r", str(HERE / listed)], check=False).returncode:
            raise BuildError(f"pip could not fetch the packages of tools/portable/{listed}: see its message")


def summary(files: Mapping[str, bytes], target: Path) -> str:
    """The size and the number of files of a build."""
    unpacked = sum(map(len, files.values())) / 1e6
    longest = max(map(len, files))
    return (
        f"{target}: {target.stat().st_size / 1e6:.1f} MB, {len(files)} files, {unpacked:.0f} MB unpacked, "
        f"longest path {longest} characters"
    )


def main() -> int:
    """Build as the command line says -> exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embed", type=Path, help=f"{EMBED} of python.org")
    parser.add_argument("--target", type=Path, default=ROOT / "dist" / f"{NAME}-win64.zip")
    options = parser.parse_args()
    if not options.embed or not options.embed.is_file():
        print(f"Download {EMBED} from python.org and give its path: make portable PYTHON_EMBED=…/{EMBED}")
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder:
            fetch_wheels(Path(folder))
            options.target.parent.mkdir(exist_ok=True)
            files = build(options.embed, Path(folder), options.target)
    except BuildError as error:
        print(error)
        return 1
    print(summary(files, options.target))
    return 0


if __name__ == "__main__":
    sys.exit(main())
