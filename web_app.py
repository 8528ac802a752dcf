"""「AI 图片生成器」: ``create_app()`` assembles the Flask app from ``app/web/``, ``main()`` serves it.

Only ``main()`` starts threads.
"""

import _thread
import contextlib
import functools
import os
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import FrameType

from flask import Flask

import database
import generator
from app import log
from app.config import Settings, load_settings
from app.delivery.page import BLUEPRINTS as DELIVERY
from app.domain import ModelSpec
from app.env_file import EnvFile
from app.errors import AppError, StoreDamaged, StoreLost, WriteRefused
from app.images import store
from app.people.access import init_access
from app.people.api import bp as people
from app.people.login import bp as login
from app.people.login import find_person, init_login
from app.people.page import bp as people_pages
from app.rounds.page import BLUEPRINTS as ROUNDS
from app.runtime import Runtime
from app.samples.api import bp as samples_api
from app.samples.page import bp as samples_page
from app.settings.api import bp as settings_api
from app.settings.page import bp as settings_page
from app.system import folders, http_server, listener, process
from app.usage.api import bp as usage_api
from app.usage.page import bp as usage_page
from app.web import api, views
from app.web.assets.routes import assets, init_assets
from app.web.caching import init_caching
from app.web.error_handlers import init_error_handlers, init_request_log
from app.web.formatting import init_formatting
from app.web.i18n import init_i18n, language
from app.web.params import init_url_converters
from app.web.security import body_limit, init_body_limits, init_security
from app.web.serializers import init_json
from app.web.services import init_services, services_of
from app.web.views.health import init_health_only
from app.web.views.status import init_status_context

# Each room: its API, below /api, and its pages.
_ROOMS = (
    (usage_api, usage_page),
    (settings_api, settings_page),
    (samples_api, samples_page),
)
BLUEPRINTS = (
    *(*views.BLUEPRINTS, api.blueprint(*(room[0] for room in _ROOMS)), *(room[1] for room in _ROOMS)),
    *(*DELIVERY, *ROUNDS, people, people_pages, login),
    *(language, assets),
)
_STOP_SECONDS = 10.0
_PROGRESS_SECONDS = 3.0
_CLOSED_SECONDS = 3.0  # leaves time to release the remaining claims: Windows allows five
_HANGUP = getattr(signal, "SIGHUP", None)


def create_app(settings: Settings, runtime: Runtime | None = None, env_file: EnvFile | None = None) -> Flask:
    """Create the app for these settings: the database is created and migrated, no thread is started.

    Settings can be changed on the page only with ``env_file``.
    """
    runtime = runtime or Runtime(settings)
    generator.check_budget(settings, runtime.engines.default.spec)
    _restore_backup(runtime)
    init_storage(settings)
    app = Flask(__name__, root_path=str(Path(__file__).parent))
    init_services(app, runtime, env_file, find_person)
    init_request_log(app)
    if settings.role == "worker":
        init_health_only(app)
    init_i18n(app)
    init_formatting(app)
    init_url_converters(app)
    init_json(app)
    init_security(app)
    init_login(app)
    init_access(app)
    init_body_limits(app)
    init_error_handlers(app)
    init_status_context(app)
    init_caching(app)
    init_assets(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def _restore_backup(runtime: Runtime) -> None:
    """Put the backup that was chosen on the page in the place of the database, if it can be."""
    path = runtime.settings.database_path
    if runtime.settings.database_url:
        return
    try:
        if kept := database.take_over_restore(path, runtime.backups.make):
            print_user(f"已恢复备份，原来的数据库在「{kept}」；没做完的批次先暂停，请核对后再继续")
            log.event("web", "restored", kept=kept.name)
    except (AppError, OSError, database.Error) as error:
        if not path.exists():
            raise
        print_user(f"没有恢复备份，用的还是原来的数据库：{error}")
        log.event("web", "not_restored", why=error)


def init_storage(settings: Settings) -> None:
    """Create the folders, migrate the database and remove temporary files of an earlier run."""
    folders.ensure_writable(settings)
    is_new = not (settings.database_url or settings.database_path.exists())
    database.open_database(settings.database, _report_upgrade())
    with contextlib.closing(database.connect(settings.database)) as db:
        database.require_not_moved(db)
    if is_new and store.has_images(settings.output_dir):
        print_user(
            f"没有找到数据库，新建了「{settings.database_path}」；「{settings.output_dir}」里已有图片，要找回它们的记录，"
            "就停下程序，从备份恢复，或运行 python -m app.cli rebuild"
        )
    store.remove_part_files(settings.output_dir)


def _report_upgrade() -> Callable[[int, int], None]:
    """Prints how far the upgrade of the database is, at the start and then every few seconds."""
    next_at = 0.0

    def report(done: int, total: int) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at and total:
            next_at = time.monotonic() + _PROGRESS_SECONDS
            print_user(f"正在把数据库换成新版本：{done:,} / {total:,} 张，请不要关掉窗口")

    return report


def serve(settings: Settings, *, open_browser: bool = False) -> None:
    """Serve until asked to stop, then shut down gracefully. Raises PortTaken before anything starts."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(each) for each in listener.open_sockets(settings.host, settings.port)]
        _serve_on(sockets, settings, open_browser=open_browser)


def _serve_on(sockets: list[socket.socket], settings: Settings, *, open_browser: bool) -> None:
    runtime = Runtime(settings, stay_awake=process.inhibit_sleep)
    app = create_app(settings, runtime, EnvFile())
    server = http_server.create_server(
        app, sockets, body_limit=functools.partial(body_limit, app), name=listener.NAME
    )
    ShutdownHandler(runtime).listen()
    try:
        runtime.start()
        print_banner(settings, runtime.engines.default.spec)
        if open_browser and settings.role != "worker":
            webbrowser.open(listener.address(settings.host, settings.port))  # the sockets are already bound
        with services_of(app).pool.keep_open():
            server.run()
    finally:
        if not runtime.threads.draining.is_set():
            runtime.stop(_STOP_SECONDS)
        server.close()
        log.event("web", "stopped")


class ShutdownHandler:
    """Two-step shutdown on Ctrl+C, SIGTERM and a closed window: the first stops gracefully, the second exits.

    Requests are served until the images in progress are saved or ``_STOP_SECONDS`` have passed.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._console_handler: object = None
        self._is_exiting = False

    def listen(self) -> None:
        """Install the signal handlers."""
        for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is None or (number == _HANGUP and signal.getsignal(number) is signal.SIG_IGN):
                continue  # ``nohup`` keeps the process running
            signal.signal(number, self._on_signal)
        self._console_handler = process.on_console_close(self._on_console_close)  # before SIGBREAK

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._is_exiting:
            return
        if self._runtime.threads.aborting.is_set():
            self._is_exiting = True
            raise SystemExit(0)
        if not self._runtime.threads.draining.is_set():
            print_user(
                f"正在停止：最多等 {_STOP_SECONDS:.0f} 秒，让进行中的图片做完；再按一次 Ctrl+C 马上退出"
            )
            self._runtime.stop_in_background(_STOP_SECONDS, then=_interrupt_main)
        elif number != _HANGUP:  # a closing window sends SIGHUP twice: itself and through its shell
            print_user("马上退出；没做完的，下次启动会接着做")
            os._exit(1)

    def _on_console_close(self) -> None:
        self._runtime.stop(_CLOSED_SECONDS)
        log.event("web", "stopped", why="console_closed")


def _interrupt_main() -> None:
    """Interrupt the main thread; a signal of the system ends its wait for connections too."""
    if os.name == "nt":
        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)


def main() -> int:
    """Read the settings and serve -> exit code; errors are printed. ``--open`` opens a browser.

    2: another start would fail in the same way, and the systemd units make none.
    """
    process.tune_process()
    opens = "--open" in sys.argv[1:]
    try:
        settings = load_settings()
        log.init_logging(_log_file(settings))
        serve(settings, open_browser=opens)
    except listener.PortTaken as taken:
        print_user(str(taken))
        return 0 if opens and taken.address and webbrowser.open(taken.address) else 1
    except AppError as error:
        print_user(_sentence(error))
        may_pass = isinstance(error, StoreLost | WriteRefused) and not isinstance(error, StoreDamaged)
        return 1 if may_pass else 2
    except OSError as error:
        print_user(f"启动不了（{error}），请检查磁盘、权限和端口，再启动一次")
        return 1
    return 0


def _sentence(error: AppError) -> str:
    """The sentence of an error at the start, which the program does not repeat by itself."""
    reason = error.message.values.get("reason")
    if type(error) is StoreLost and reason:
        return f"DATABASE_URL：PostgreSQL 连不上（{reason}），请检查地址、网络和它是否在运行，再启动一次"
    return str(error)


def print_banner(settings: Settings, spec: ModelSpec) -> None:
    """Print the address, the model and the paths of the database, the images and the log."""
    address = listener.address(settings.host, settings.port)
    if settings.role == "worker":
        print_user(f"AI 图片生成器的生成进程已启动，没有网页；能不能工作　{address}/healthz")
    else:
        print_user(f"AI 图片生成器已启动，请在浏览器打开　{address}")
        if others := listener.address_for_others(settings.host, settings.port):
            print_user(f"别的电脑　{others}")
    if settings.role == "web":
        print_user("这个进程只有网页（ROLE=web），图片由 ROLE=worker 的进程生成")
    print_user(f"模型　{spec.label}（{spec.name}）" + ("，不联网、不花钱" if spec.name == "demo" else ""))
    if settings.missing_keys:
        where = "网页的「模型与密钥」里" if settings.role == "all" else "每个进程的 .env 或环境变量里"
        print_user(f"缺少　{'、'.join(settings.missing_keys)}，请在{where}填好")
    if notice := spec.retirement_notice(date.today()):
        print_user(f"注意　{notice}")
        log.event("web", "model_ends", model=spec.model_id, since=spec.retirement and spec.retirement.since)
    print_user(f"数据　{settings.database_name}")
    in_oss = settings.output_store == "oss"
    if in_oss:
        print_user(f"图片　OSS 的 {settings.oss_output_prefix}")
    print_user(f"{'缓存' if in_oss else '图片'}　{settings.output_dir.absolute()}")
    print_user(f"日志　{_log_file(settings).absolute()}")
    print_user("停止　按 Ctrl+C")
    log.event("web", "started", port=settings.port, model=spec.model_id)


def _log_file(settings: Settings) -> Path:
    """Of each role its own, since only one process can rotate a file."""
    role = "" if settings.role == "all" else f".{settings.role}"
    return settings.database_path.with_suffix(f"{role}.log")


def print_user(sentence: str) -> None:
    """Print to stderr; ignored when there is no terminal any more."""
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
