"""One journey through every page in Firefox and in WebKitGTK, Safari's engine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tools.browser_engines import Engine, firefox, webkit
from tools.noise_images import noise_image
from tools.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("engines")
    (folder / "samples").mkdir()
    for name in ("cat.png", "dog.png"):
        (folder / "samples" / name).write_bytes(noise_image("png"))
    with running_server(folder, image_model="demo") as started:
        yield started


@pytest.mark.parametrize("start", [firefox, webkit])
def test_every_page_works_in_another_engine(
    server: ServerProcess, start: Callable[[], AbstractContextManager[Engine]]
) -> None:
    with start() as engine:
        for journey in (studio, batch, records, samples, usage, model):
            journey(engine, server.address)
            assert engine.errors() == [], journey.__name__


def studio(engine: Engine, address: str) -> None:
    engine.open(address)
    engine.click("#prompt")
    engine.type("a quiet harbour")
    engine.click("[data-studio-form] button[type=submit]")
    engine.wait_for(".result-card[data-status=success] img")


def batch(engine: Engine, address: str) -> None:
    engine.open(f"{address}/batch?new=1")
    engine.click("[data-empty] [data-command=add]")
    engine.wait_for("[data-row='1'] [data-column=prompt].is-active")
    engine.type("a paper boat\ue007")
    engine.click("[data-command=start]")
    engine.click("dialog[data-dialog=order] .is-primary")
    engine.wait_for("[data-row='1'] .table-picture img")


def records(engine: Engine, address: str) -> None:
    engine.open(f"{address}/records")
    engine.click("[data-search]")
    engine.type("paper boat")
    engine.wait_for("[data-list][data-filter*='paper boat'] .record-image")
    engine.click("[data-list] .record-link")
    engine.wait_for("dialog[data-lightbox] .viewer-image")
    engine.click("dialog[data-lightbox] [data-close]")


def samples(engine: Engine, address: str) -> None:
    engine.open(f"{address}/samples")
    engine.click("[data-search]")
    engine.type("cat")
    engine.wait_for("[data-library]:not(:has([data-filename='dog.png'])) [data-filename='cat.png']")


def usage(engine: Engine, address: str) -> None:
    engine.open(f"{address}/usage")
    engine.click(".usage-ranges a:not([aria-current])")
    engine.wait_for("[data-usage][data-ready] .usage-ranges [aria-current]")


def model(engine: Engine, address: str) -> None:
    engine.open(f"{address}/model")
    engine.click("#jimeng summary")
    engine.wait_for("#set-VOLCENGINE_AK")
