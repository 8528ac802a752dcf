"""A call has one deadline, from connecting to the last byte, even if the peer only trickles."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from urllib3.exceptions import NewConnectionError

from app.errors import Billed
from app.providers.deadlines import CONNECT_SECONDS, Deadline, DeadlineConnection
from app.providers.downloads import Downloads
from app.providers.http import ServiceClient
from tests.providers.services import FOX, failure, opened
from tools.fakes.clock import Clock
from tools.fakes.service import FakeService

TRICKLE_SECONDS = 60.0  # far beyond the timeout; the whole response would arrive in the end


def let_drip(service: FakeService, step: str, clock: Clock) -> None:
    """The next answer of this step begins in time, and is still coming when the time is up."""
    service.fail_next("drip", step=step, seconds=TRICKLE_SECONDS)

    def pass_time(event: str, _call: object) -> None:
        if event == "made":
            clock.sleep(60)
            service.observer = lambda *_: None

    service.observer = pass_time


@pytest.mark.parametrize("service", ["jimeng"], indirect=True)
def test_a_poll_with_a_trickling_head_is_repeated(service: FakeService, deadline_clock: Clock) -> None:
    model = opened(service)
    task_id = model.submit(FOX, ()).task_id
    let_drip(service, "poll", deadline_clock)
    assert model._poll(task_id) is None
    assert service.completed_drips == 0
    assert model._poll(task_id)


@pytest.mark.parametrize("service", ["seedream"], indirect=True)
def test_a_download_with_a_trickling_head_times_out_and_can_be_repeated(
    service: FakeService, deadline_clock: Clock
) -> None:
    task_id = opened(service).submit(FOX, ()).task_id
    let_drip(service, "download", deadline_clock)
    downloads = Downloads("测试", service.address, timeout=20)
    error = failure(lambda: downloads.fetch(task_id))
    assert (error.cause, error.billed, error.task_valid) == ("download", Billed.YES, True)
    assert service.completed_drips == 0
    assert downloads.fetch(task_id)


@pytest.fixture
def unread_service() -> Iterator[str]:
    """The address of a service that accepts connections and never reads."""
    accepted: list[socket.socket] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted.append(server.accept()[0])

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for each in accepted:
        each.close()


def test_a_submission_that_is_never_read_times_out_as_unknown(unread_service: str) -> None:
    line = ServiceClient("测试", unread_service, timeout=1)
    error = failure(lambda: line.post_once(unread_service, headers={}, content=bytes(32 * 1024 * 1024)))
    assert error.billed is Billed.UNKNOWN


def test_every_address_of_a_host_gets_its_share_of_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append((address[0], timeout))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    deadline = Deadline()
    deadline.start(1000)
    addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
    connection = DeadlineConnection("service.example", 80, deadline=deadline, resolve=lambda *_: addresses)
    with pytest.raises(NewConnectionError):
        connection.connect()
    assert [address for address, _ in asked] == addresses
    assert all(seconds <= CONNECT_SECONDS for _, seconds in asked)
    assert asked[0][1] <= CONNECT_SECONDS / 4
