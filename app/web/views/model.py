"""The page of the image services: their models and prices, their settings, and tests of their keys."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from flask import Blueprint, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response

import database
import generator
from app.config import ACCESS, GENERAL, NOTIFY, OSS, SERVICES, SETTINGS
from app.domain import ModelSpec
from app.errors import (
    BucketError,
    Conflict,
    DatabaseError,
    DiskError,
    Forbidden,
    InvalidRequest,
    Message,
    NotFound,
    SettingError,
    StorageError,
    TryLater,
    message,
)
from app.system import windows_files
from app.web.person import note_change
from app.web.provider_settings import (
    VARIABLES,
    Variable,
    access_problem,
    change_problem,
    change_settings,
    list_variables,
    test_key,
)
from app.web.services import connection, services
from app.web.start_settings import (
    change_start_settings,
    list_start_variables,
    waits_for_restart,
)
from app.web.urls import referring_path

bp = Blueprint("model", __name__)

_LOOKING_SECONDS = 4.0

_NO_HINTS: Mapping[str, str] = {}
_OF_START = {"oss": OSS, "access": ACCESS}  # the parts of the page whose settings the next start reads


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingField:
    """A field for a variable; its ``value`` is empty for a secret, and for a default, a placeholder."""

    name: str
    label: str
    value: str
    placeholder: str
    is_set: bool
    is_secret: bool
    is_password: bool
    is_switch: bool
    from_environment: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A service with its models, the configured one first, and its fields.

    ``state`` is ready, missing or ended; ``refusal`` is why the service refused the key.
    """

    name: str
    specs: list[ModelSpec]
    state: str
    is_default: bool
    prices: list[str | Message]
    notice: Message | None
    refusal: Message | None = None
    fields: list[SettingField] = field(default_factory=list)
    has_settings: bool = False

    @property
    def spec(self) -> ModelSpec:
        """The configured model."""
        return self.specs[0]

    @property
    def needed(self) -> list[SettingField]:
        """The fields that it asks for first."""
        return [each for each in self.fields if SETTINGS[each.name].example]

    @property
    def has_watermark(self) -> bool:
        """Whether any of its models has a switch for its visible mark."""
        return any(spec.has_watermark for spec in self.specs)


@bp.get("/model")
def index() -> str:
    """Every image service, the default first; which variables are set, never the values of secrets."""
    return _render()


@bp.post("/model")
def submit() -> tuple[str, int]:
    """What a form of the page does without its script -> the page with the result in one sentence.

    ``action``: save, clear (the keys), default, successor, or test.
    """
    form = request.form
    of, action = form.get("provider", ""), form.get("action", "save")
    try:
        if of in _OF_START:
            done = change_start_settings(_wanted_at_start(form, of, action))
        else:
            done = test_key(of) if action == "test" else change_settings(_wanted(form, of, action))
    except (InvalidRequest, Forbidden, Conflict, TryLater) as error:
        status = {InvalidRequest: 400, Forbidden: 403, Conflict: 409, TryLater: 503}[type(error)]
        declared = SETTINGS.get(error.field) if isinstance(error, InvalidRequest) else None
        label = declared.label if declared else ""
        text = message("{variable}：{problem}", variable=message(label), problem=error.message)
        return _render(of, "bad", text if label else error.message), status
    return _render(of, done.result, done.text), 200


@bp.post("/model/restore")
def restore() -> Response | tuple[str, int]:
    """Have the next start take the backup ``name``, or with an empty one none."""
    settings, name = services().settings, request.form.get("name", "")
    try:
        if problem := change_problem():
            raise Forbidden(problem)
        backup = None if settings.database_url else services().runtime.backups.find(name)
        if name and backup is None:
            raise NotFound("没有这份备份，请重新打开这一页")
        if backup:
            database.stage_restore(backup.path, settings.database_path, made_at=backup.made_at)
        else:
            windows_files.unlink(database.staged_restore(settings.database_path))
    except (Forbidden, NotFound, StorageError) as error:
        status = {Forbidden: 403, NotFound: 404}.get(type(error), 500)
        return _render("backups", "bad", error.message), status
    what = message("重新启动时恢复备份 {name}", name=name) if name else message("不恢复备份了")
    note_change("restore_chosen", what, file=name)
    return redirect(url_for("model.index", _anchor="backups"), 303)


@bp.post("/model/restored")
def restored() -> Response:
    """Take back what was made after the backup that was restored, or with ``action=leave`` close its line.

    Looks for pictures for some seconds; the worker looks for the rest.
    """
    db, worker = connection(), services().runtime.worker
    if request.form.get("action") == "leave":
        database.leave_off(db)
    else:
        database.take_back(db)
    deadline = time.monotonic() + _LOOKING_SECONDS
    with suppress(DiskError, BucketError):  # the worker tries again
        while worker and time.monotonic() < deadline and worker.maintenance.take_back(db):
            pass
    return redirect(referring_path(), 303)


@bp.get("/model/backups/<name>")
def download_backup(name: str) -> Response:
    """A backup of the SQLite database as a file; with it everything but the pictures."""
    if problem := access_problem():
        raise Forbidden(problem)
    backup = None if services().settings.database_url else services().runtime.backups.find(name)
    if backup is None:
        raise NotFound("没有这份备份，请重新打开这一页")
    answer = send_file(backup.path.absolute(), mimetype="application/vnd.sqlite3", as_attachment=True)
    answer.headers["Cache-Control"] = "private, no-store"
    note_change("backup_downloaded", message("下载备份 {name}", name=name), file=name)
    return answer


def _wanted(form: Mapping[str, str], provider: str, action: str) -> dict[str, str]:
    """The variables that a form changes; a secret that was left empty stays."""
    if action == "clear" and provider == "notify":
        return {"NOTIFY_URL": ""}
    variables = list_variables()
    cards = {card.name: card for card in _cards(variables)}
    if action != "save" and provider not in cards:
        raise InvalidRequest("provider", "请选择一家服务")
    if action == "default":
        return {"IMAGE_MODEL": provider}
    if action == "successor" and (end := cards[provider].spec.retirement):
        return {end.variable: end.successor}
    if action == "clear":
        return {each.name: "" for each in cards[provider].needed if each.is_secret and each.is_set}
    return {
        name: form[name] for name in VARIABLES if name in form and (form[name] or not variables[name].secret)
    }


def _wanted_at_start(form: Mapping[str, str], of: str, action: str) -> dict[str, str]:
    """As ``_wanted``, of the settings that the next start reads."""
    if action == "clear" and of == "access":
        return {"ACCESS_PASSWORD": ""}
    shown = list_start_variables()
    return {
        name: form[name] for name in _OF_START[of] if name in form and (form[name] or not shown[name].secret)
    }


def _render(of: str = "", result: str = "", sentence: str | Message = "") -> str:
    """The page; ``result`` and ``sentence`` are shown in the card ``of``."""
    problem = change_problem()
    try:
        variables, at_start = list_variables(), list_start_variables()
        waiting = {part: waits_for_restart(names) for part, names in _OF_START.items()}
    except SettingError as error:  # the file cannot be read
        problem, variables, at_start, waiting = error.message, {}, {}, {}
    file, backups = services().env_file, services().runtime.backups
    return render_template(
        "pages/model.html",
        cards=_cards(variables),
        general=_fields((name for name in GENERAL if SETTINGS[name].kind != "price"), variables),
        notify=_fields(NOTIFY, variables),
        oss=_fields(OSS, at_start),
        access=_fields(ACCESS, at_start),
        waiting=waiting,
        on_loopback=services().settings.on_loopback,
        is_in_oss=services().settings.oss_enabled,
        backups=backups.list(),
        backup_folder=backups.folder and backups.folder.absolute(),
        backup_problem=_backup_problem(),
        may_download=access_problem() is None,
        changes=_last_changes(),
        is_dump=bool(services().settings.database_url),
        is_staged=database.staged_restore(services().settings.database_path).exists(),
        receiver=services().runtime.notifier.receiver,
        dotenv=file.path if file else "",
        problem=problem,
        of=of,
        result=result,
        sentence=sentence,
    )


def _backup_problem() -> Message | None:
    with suppress(DatabaseError, database.Error):  # the page is shown without the database too
        return services().runtime.backups.problem(connection())
    return None


def _last_changes() -> list[tuple[str, str, Message]]:
    with suppress(DatabaseError, database.Error):
        return database.list_setting_changes(connection())
    return []


def _cards(variables: Mapping[str, Variable]) -> list[Card]:
    settings, today = services().settings, date.today()
    by_provider: dict[str, list[ModelSpec]] = {settings.image_model: []}
    for spec in generator.list_specs(settings):
        by_provider.setdefault(spec.name, []).append(spec)
    cards = []
    for name, specs in by_provider.items():
        own = f"{name.upper()}_PRICE"
        price = "PRICE_PER_IMAGE" if _has_general_price(name) else own
        names = [price if each == own else each for each in SERVICES[name]]
        hint = "按公开的价格" if specs[0].is_priced else "填了才能统计费用"
        state = "ended" if specs[0].is_retired(today) else "ready" if settings.is_ready(name) else "missing"
        cards.append(
            Card(
                name=name,
                specs=specs,
                state=state,
                is_default=name == settings.image_model,
                prices=[_price(spec) for spec in specs],
                notice=specs[0].retirement_notice(today),
                refusal=_refusal(name),
                fields=_fields(names, variables, {price: hint}),
                has_settings=bool(SERVICES[name]),
            )
        )
    return cards


def _refusal(provider: str) -> Message | None:
    """Why the service refused the key, for whichever of its models."""
    engines = (engine for engine in services().runtime.engines if engine.spec.name == provider)
    return next((engine.refusal for engine in engines if engine.refusal), None)


def _has_general_price(provider: str) -> bool:
    """Whether PRICE_PER_IMAGE is the price of this provider."""
    settings = services().settings
    own = getattr(settings, f"{provider}_price", None)
    return provider == settings.image_model and own is None and settings.price_per_image is not None


def _fields(
    names: Iterable[str], variables: Mapping[str, Variable], hints: Mapping[str, str] = _NO_HINTS
) -> list[SettingField]:
    """Those of the variables that can be read; ``hints`` are placeholders besides the examples."""
    found = []
    for name in names:
        if (shown := variables.get(name)) is None:
            continue
        declared, is_set = SETTINGS[name], shown.source == "set"
        placeholder = hints.get(name, declared.example)
        if shown.source == "default":
            placeholder = shown.value or ""
        elif is_set and shown.secret:
            placeholder = "已填，不显示"
        elif declared.kind == "concurrency":
            placeholder = str(services().settings.model_concurrency)
        found.append(
            SettingField(
                name=name,
                label=declared.label,
                value=(shown.value or "") if is_set else "",
                placeholder=placeholder,
                is_set=is_set,
                is_secret=shown.secret,
                is_password=shown.secret and declared.kind != "address",
                is_switch=isinstance(declared.default, bool),
                from_environment=shown.from_environment,
            )
        )
    return found


def _price(spec: ModelSpec) -> str | Message:
    if not spec.is_priced:
        return "价格未设"
    lowest, highest = min(spec.prices.values()), max(spec.prices.values())
    if highest:
        text = "¥{lowest} 一张" if lowest == highest else "¥{lowest}–{highest} 一张"
        return message(text, lowest=f"{lowest:.2f}", highest=f"{highest:.2f}")
    return spec.setup.free
