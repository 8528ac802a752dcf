"""Interrupted uploads leave nothing behind, in a folder and in a bucket."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from tools.fakes.oss import FakeOss
from tools.noise_images import noise_image
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

_BIG = b"\0" * 2_000_000  # more than the server holds in memory while it comes
_HEAD = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="cut.png"\r\n\r\n'


def test_an_interrupted_upload_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    with running_server(tmp_path, image_model="demo", tmpdir=_empty(tmp_path / "tmp")) as server:
        _break_off(server)
        assert server.get("/api/sample-images")["images"] == []
        assert _files(tmp_path / "samples") == []
        assert _files(tmp_path / "tmp") == []
        assert "Traceback" not in server.log()


def test_an_interrupted_upload_leaves_nothing_in_the_bucket(tmp_path: Path) -> None:
    with (
        FakeOss() as oss,
        running_server(
            tmp_path, image_model="demo", tmpdir=_empty(tmp_path / "tmp"), **oss.settings()
        ) as server,
    ):
        _break_off(server)
        assert server.get("/api/sample-images")["images"] == []
        assert (oss.objects, oss.count("put")) == ({}, 0)
        assert _files(tmp_path / "tmp") == []
        assert "Traceback" not in server.log()


def _break_off(server: ServerProcess) -> None:
    """Send all but the end of an image, and disconnect once the server has received it."""
    content = _HEAD + noise_image("png", size=(40, 30)) + _BIG
    request = (
        f"POST /api/sample-images HTTP/1.1\r\nHost: localhost:{server.port}\r\n"
        f"Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: {len(content) + 100}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(request.encode() + content)
        wait_until(lambda: _waits_on_disk(server))
    wait_until(lambda: not _waits_on_disk(server))


def _waits_on_disk(server: ServerProcess) -> bool:
    """Whether the server holds part of a request in a file: unlinked, visible only in /proc."""
    assert server.process is not None
    place, sizes = Path(f"/proc/{server.process.pid}/fd"), []
    for held in place.iterdir():
        with suppress(OSError):  # closed meanwhile
            if str(held.readlink()).startswith(f"{server.data_dir / 'tmp'}{os.sep}"):
                sizes.append(held.stat().st_size)
    return any(sizes)


def _files(folder: Path) -> list[Path]:
    """What is left, compiled templates aside."""
    return [path for path in folder.rglob("*") if path.is_file() and "jinja2" not in str(path)]


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder
