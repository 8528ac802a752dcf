"""An upload that breaks off, as when it is cancelled: nothing of it stays, wherever the library lies."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from tests.drawn import drawn
from tests.fakes.oss import FakeOss
from tests.house_process import HouseProcess, served
from tests.waiting import wait_until

_BIG = b"\0" * 2_000_000  # more than the server holds in memory while it comes
_HEAD = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="cut.png"\r\n\r\n'


def test_an_upload_that_breaks_off_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    with served(tmp_path, image_model="demo", tmpdir=_empty(tmp_path / "tmp")) as house:
        _break_off(house)
        assert house.get("/api/sample-images")["images"] == []
        assert _files(tmp_path / "samples") == []
        assert _files(tmp_path / "tmp") == []
        assert "Traceback" not in house.log()


def test_an_upload_that_breaks_off_leaves_nothing_in_the_bucket(tmp_path: Path) -> None:
    with (
        FakeOss() as oss,
        served(tmp_path, image_model="demo", tmpdir=_empty(tmp_path / "tmp"), **oss.settings()) as house,
    ):
        _break_off(house)
        assert house.get("/api/sample-images")["images"] == []
        assert (oss.objects, oss.count("put")) == ({}, 0)
        assert _files(tmp_path / "tmp") == []
        assert "Traceback" not in house.log()


def _break_off(house: HouseProcess) -> None:
    """Send all but the end of a picture; the connection goes once the server holds what came."""
    content = _HEAD + drawn("png", size=(40, 30)) + _BIG
    request = (
        f"POST /api/sample-images HTTP/1.1\r\nHost: localhost:{house.port}\r\n"
        f"Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: {len(content) + 100}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", house.port), timeout=60) as line:
        line.sendall(request.encode() + content)
        wait_until(lambda: _waits_on_disk(house))
    wait_until(lambda: not _waits_on_disk(house))


def _waits_on_disk(house: HouseProcess) -> bool:
    """Whether the server holds part of a request in a file: nameless, it is seen only in what is open."""
    assert house.process is not None
    place, sizes = Path(f"/proc/{house.process.pid}/fd"), []
    for held in place.iterdir():
        with suppress(OSError):  # closed this very moment
            if str(held.readlink()).startswith(f"{house.home / 'tmp'}{os.sep}"):
                sizes.append(held.stat().st_size)
    return any(sizes)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder
