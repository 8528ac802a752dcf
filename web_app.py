"""「AI 图片生成器」: ``create_app()`` puts the rooms of ``web/`` together, ``main()`` serves them.

Starts the worker's threads in ``main()`` and nowhere else.
"""

import logging
import signal
import sys
from pathlib import Path
from typing import Any

import waitress
from flask import Flask

import database
import generator
import pictures
from config import Settings, load_settings
from errors import AppError
from web import (  # noqa: F401 - routes join
    api_records,
    api_samples,
    api_spreadsheets,
    doors,
    openapi,
    pages_records,
    pages_samples,
)
from web.answers import answer_errors
from web.api import api
from web.context import Rooms, furnish
from web.live import live, show_house
from web.numbers import bound_numbers
from web.pages import pages
from web.weight import lighten
from worker import Worker

_MAX_UPLOAD_BYTES = 64 * 1024 * 1024
_MAX_FORM_BYTES = 8 * 1024 * 1024
_YEAR = 365 * 24 * 3600
_HERE = Path(__file__).parent
_log = logging.getLogger("web")


def create_app(settings: Settings, worker: Worker | None = None) -> Flask:
    """The app over these settings, with the database made and no thread started."""
    prepare(settings)
    model = worker.model if worker else generator.open_model(settings)
    app = Flask(__name__, root_path=str(_HERE))
    app.config.update(
        MAX_CONTENT_LENGTH=_MAX_UPLOAD_BYTES,
        MAX_FORM_MEMORY_SIZE=_MAX_FORM_BYTES,
        SEND_FILE_MAX_AGE_DEFAULT=_YEAR,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    furnish(app, Rooms(settings=settings, model=model, worker=worker or Worker(settings, model)))
    bound_numbers(app)
    doors.guard(app)
    answer_errors(app)
    show_house(app)
    lighten(app)
    app.url_defaults(_name_static_version)
    for blueprint in (pages, api, live):
        app.register_blueprint(blueprint)
    return app


def prepare(settings: Settings) -> None:
    """The database up to date, the folders there, no half-written file left from an earlier run."""
    database.open_database(settings.database_path)
    for folder in (settings.output_dir, settings.samples_dir):
        folder.mkdir(parents=True, exist_ok=True)
    pictures.remove_part_files(settings.output_dir)


def serve(settings: Settings) -> None:
    """Serve until told to stop; then finish what can be finished."""
    worker = Worker(settings, generator.open_model(settings))
    app = create_app(settings, worker)
    server = waitress.create_server(
        app, host=settings.host, port=settings.port, threads=8, connection_limit=500, ident=None
    )
    signal.signal(signal.SIGTERM, _stop)
    worker.start()
    shown = "localhost" if settings.on_loopback else settings.host
    _log.info("AI 图片生成器已启动：http://%s:%s（按 Ctrl+C 停止）", shown, settings.port)
    try:
        server.run()
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        _log.info("正在停止，最多等 10 秒……")
        worker.stop(timeout=10.0)
        server.close()


def main() -> int:
    """Read the settings and serve -> exit code; a wrong setting is one sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        serve(load_settings())
    except AppError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - the person at the terminal reads it
        return 2
    except OSError as error:
        print(f"启动不了：{error}（端口可能已被占用，可用 PORT 换一个）", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _stop(_number: int, _frame: Any) -> None:
    raise SystemExit(0)


def _name_static_version(endpoint: str, values: dict[str, Any]) -> None:
    """Static files carry their time of change in the address, so that browsers may keep them for a year."""
    if endpoint == "static" and "filename" in values:
        path = _HERE / "static" / values["filename"]
        if path.is_file():
            values["v"] = str(int(path.stat().st_mtime))


if __name__ == "__main__":
    sys.exit(main())
