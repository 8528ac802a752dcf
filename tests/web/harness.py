"""An app and its worker, run turn by turn, with the calls that tests make of the API."""

import io
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.domain import ModelSpec
from app.env_file import EnvFile
from app.runtime import Runtime
from tests.harness import run_once
from tools.noise_images import noise_image
from web_app import create_app

Answer = TypeVar("Answer")
PNG = noise_image("PNG", size=(40, 30))
ROWS = [{"prompt": f"雪山 {n}", "filename": f"图{n}"} for n in range(1, 7)]


def get(client: FlaskClient, path: str, status: int = 200) -> dict[str, Any]:
    return answered(client.get(path), status)


def post(client: FlaskClient, path: str, body: object = None, status: int = 200) -> dict[str, Any]:
    return answered(client.post(path) if body is None else client.post(path, json=body), status)


def answered(answer: Any, status: int = 200) -> dict[str, Any]:
    """The fields of an answer, which has to have this status."""
    assert answer.status_code == status, answer.text
    fields: dict[str, Any] = answer.get_json()
    assert fields["success"] is (status < 400)
    return fields


def add_reference(client: FlaskClient, name: str, content: bytes = PNG) -> dict[str, Any]:
    """Upload a reference image."""
    answer = client.post("/api/sample-images", data={"file": (io.BytesIO(content), name)})
    image: dict[str, Any] = answered(answer)["images"][0]
    return image


def import_sheet(client: FlaskClient, content: bytes, name: str = "a.xlsx", **form: object) -> dict[str, Any]:
    data = {"file": (io.BytesIO(content), name), **form}
    return answered(client.post("/api/spreadsheet/import", data=data))


def at_once(*calls: Callable[[], Answer]) -> list[Answer]:
    """Make these calls at the same moment, each in a thread -> their answers."""
    start = threading.Barrier(len(calls))

    def make(call: Callable[[], Answer]) -> Answer:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(make, calls))


class WebHarness:
    """An app with its worker, whose threads do not run unless a test starts them."""

    def __init__(
        self, settings: Settings, runtime: Runtime | None = None, env_file: EnvFile | None = None
    ) -> None:
        self.settings = settings
        self.runtime = runtime or Runtime(settings)
        self.client = create_app(settings, self.runtime, env_file).test_client()

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        return get(self.client, path, status)

    def post(self, path: str, body: object = None, status: int = 200, **fields: Any) -> dict[str, Any]:
        return post(self.client, path, fields or None if body is None else body, status)

    def page(self, path: str, **headers: str) -> str:
        """The text of a page or fragment."""
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def submit(self, rows: Sequence[Any] = ROWS, **fields: Any) -> str:
        """Order these rows -> the id of their batch."""
        batch_id: str = self.post("/api/batches", {"rows": rows, **fields}, 202)["batch_id"]
        return batch_id

    def run(self) -> None:
        """Do all that is queued."""
        with closing(database.connect(self.settings.database)) as db:
            while run_once(self.runtime, db):
                pass

    def batch(self, batch_id: str) -> dict[str, Any]:
        batch: dict[str, Any] = self.get(f"/api/batches/{batch_id}")["batch"]
        return batch

    def records(self, batch_id: str) -> list[dict[str, Any]]:
        """The records of a batch, by row and picture."""
        records: list[dict[str, Any]] = self.get(f"/api/batches/{batch_id}")["records"]
        return sorted(records, key=lambda record: (record["row_number"], record["picture_number"]))

    def record(self, record_id: int) -> dict[str, Any]:
        record: dict[str, Any] = self.get(f"/api/records/{record_id}")["record"]
        return record

    def execute(self, sql: str, values: Iterable[Any] = ()) -> None:
        """Change the database."""
        with closing(database.connect(self.settings.database)) as db:
            db.execute(sql, tuple(values))

    def select(self, sql: str, values: Iterable[Any] = ()) -> list[Any]:
        """Rows of the database."""
        with closing(database.connect(self.settings.database)) as db:
            return db.execute(sql, tuple(values)).fetchall()

    def change_spec(
        self, monkeypatch: pytest.MonkeyPatch, model: str | None = None, **changes: Any
    ) -> ModelSpec:
        """Change what a model, by default the default one, offers."""
        engine = self.runtime.engines.find(model) if model else self.runtime.engines.default
        assert engine is not None
        spec = replace(engine.provider.spec, **changes)
        monkeypatch.setattr(engine.provider, "spec", spec)
        return spec
