"""The settings of the image services: read, changed in ``.env`` and applied at once; and tests of keys."""

import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain

import database
import generator
from app import log
from app.config import GENERAL, NOTIFY, SERVICES, SETTINGS, Settings
from app.env_file import Edit, EnvFile
from app.errors import Conflict, InvalidRequest, Message, ModelError, NotFound, SettingError, message
from app.web.person import note_change
from app.web.services import Services

# Every variable that can be changed without a restart.
VARIABLES = ("IMAGE_MODEL", *GENERAL, *NOTIFY, *chain(*SERVICES.values()))
MAX_LENGTH = 2000
UNDO_SECONDS = 600  # for which a deleted key is kept, in memory only


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable as it may be shown.

    source            ``set``, ``default`` or ``empty``
    value             as it is written, else the default; None for a secret and for one without a value
    from_environment  the environment sets it, so that ``.env`` cannot change it
    """

    source: str
    secret: bool
    value: str | None
    from_environment: bool


@dataclass(frozen=True, slots=True)
class KeyTest:
    """The result of a key test: ``good``, ``open`` (nothing was proven) or ``bad``, and one sentence.

    ``is_refused``: the service answered, and would refuse orders. Without a test, ``provider`` is empty.
    ``undo``: puts back a key that was deleted, as ``change_settings`` takes it.
    """

    result: str
    text: Message
    provider: str = ""
    is_refused: bool = False
    undo: str = ""


def list_variables(current: Services) -> dict[str, Variable]:
    """All variables that can be changed, by name. Raises SettingError when ``.env`` cannot be read."""
    return variables_of(VARIABLES, current.settings, current.env_file)


def variables_of(names: Iterable[str], settings: Settings, file: EnvFile | None) -> dict[str, Variable]:
    """Variables of these settings by name, as ``.env`` writes them. Raises SettingError."""
    written = {**file.values(), **file.environ} if file else {}
    found = {}
    for name in names:
        value = written.get(name, "").strip() or _text(settings, name)
        declared = SETTINGS[name]
        secret = declared.secret or (declared.kind == "address" and "@" in (value or ""))
        found[name] = Variable(
            source=settings.source_of(name),
            secret=secret,
            value=None if secret else value,
            from_environment=file is not None and name in file.environ,
        )
    return found


def at_field(error: SettingError) -> InvalidRequest:
    """The error at the field of the variable, without its name; of the file, with that of the file."""
    return InvalidRequest(error.variable, error.problem if error.variable in SETTINGS else error.message)


def _text(settings: Settings, variable: str) -> str | None:
    value = getattr(settings, variable.lower())
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, tuple):
        return ", ".join(value) or None
    return str(value).lower() if isinstance(value, bool) else (None if value is None else str(value) or None)


def change_settings(
    current: Services, file: EnvFile, db: database.Connection, wanted: Mapping[str, str]
) -> KeyTest:
    """Write the variables that differ to ``.env`` and apply them; an empty value unsets one. ``undo`` alone
    puts back what an earlier change deleted.

    A new key is tested; one that fails the test is kept, but its service does not become the default.
    Returns what happened, in one sentence. Raises TryLater, InvalidRequest with the variable, or DiskError,
    with nothing changed; or DatabaseError, with the file written: the next call applies it.
    """
    wanted = _kept(current, wanted["undo"]) if "undo" in wanted else wanted
    try:
        with file.edit() as edit:
            written = {**edit.values, **file.environ}
            changes = changed(wanted, written)
            old, new = current.settings, edit.settings(changes)
            _require_keys_for_new_address(new, changes, wanted)
            tested = _test_new(current, old, new)
            if tested:
                changes |= _tested_default(old, edit, changes, tested)
                new = edit.settings(changes)
            moved, notes = _keep_prices(old, new, changes)
            changes |= moved
            require_own(changes, file)
            read = edit.settings(changes)
            new = replace(old, **{name.lower(): getattr(read, name.lower()) for name in VARIABLES})
            spec = generator.open_provider(new).spec
            generator.check_budget(new, spec)
            if not changes and new == old:
                return KeyTest(result="good", text=message("没有改动"))
            if changes:
                edit.save(changes)
            current.runtime.apply(new, db)
    except SettingError as error:
        raise at_field(error) from error
    if old.image_model != new.image_model:
        notes = (message("默认模型现在是「{model}」", model=message(spec.label)), *notes)
    note_settings(changes)
    if tested:
        _note(current, db, tested)
        notes = (*notes, tested.text)
    result = tested.result if tested else "good"
    removed = {name for name in changes if SETTINGS[name].secret and written.get(name) and not changes[name]}
    done = "密钥已删除" if removed else "已保存，从下一张起用新的设置"
    if [*changes] == ["NOTIFY_URL"]:
        done = "不再通知了" if removed else "已保存，发一条试试"
    text = "{done}。{notes}" if notes else done
    if tested and tested.is_refused:
        text = "存上了，但密钥没有通过测试，默认模型不变：{notes}"
    elif result == "bad":
        text, result = "没有测到，先存上了，默认模型不变：{notes}", "open"
    undo = _keep(current, changes, written, removed) if removed else ""
    return KeyTest(result=result, text=message(text, notes=notes, done=message(done)), undo=undo)


def changed(wanted: Mapping[str, str], written: Mapping[str, str]) -> dict[str, str]:
    """The variables that differ from what is written."""
    return {
        name: value.strip()
        for name, value in wanted.items()
        if value.strip() != written.get(name, "").strip()
    }


def require_own(names: Iterable[str], file: EnvFile) -> None:
    """Raises InvalidRequest for a variable that the environment sets."""
    for name in names:
        if name in file.environ:
            raise InvalidRequest(name, "{name} 由系统的环境变量设置，请在那里改", name=name)


def note_settings(names: Iterable[str]) -> None:
    """Note who changed these settings."""
    if variables := tuple(names):
        what = message("设置：{names}", names=variables)
        note_change("settings_changed", what, variables=",".join(variables))


def _keep(current: Services, changes: Iterable[str], written: Mapping[str, str], keys: set[str]) -> str:
    """Keep what a change replaced in memory, with the addresses of its deleted keys -> what undoes it."""
    providers = [each for each, variables in SERVICES.items() if keys & {*variables}]
    names = [*changes, *(name for each in providers for name in _addresses(each))]
    undo, removed = secrets.token_urlsafe(), current.removed
    removed[undo] = {name: written.get(name, "") for name in names}
    timer = threading.Timer(UNDO_SECONDS, removed.pop, (undo, None))
    timer.daemon = True
    timer.start()
    return undo


def _kept(current: Services, undo: str) -> dict[str, str]:
    """What this undoes. Raises NotFound, or Conflict when there is another key by now."""
    before = current.removed.get(undo)
    if before is None:
        raise NotFound("删掉的密钥只留 {n} 分钟，请重新填一遍", n=UNDO_SECONDS // 60)
    if any(SETTINGS[name].secret and getattr(current.settings, name.lower()) for name in before):
        raise Conflict("已经填了新的密钥，没有恢复原来的")
    return before


def _test_new(current: Services, old: Settings, new: Settings) -> KeyTest | None:
    """Test the service that has another key or address, or becomes the default; None: there is none."""
    for provider in sorted(SERVICES, key=lambda name: name != new.image_model):
        own = [name.lower() for name in SERVICES[provider] if SETTINGS[name].kind in ("key", "address")]
        is_changed = any(getattr(old, name) != getattr(new, name) for name in own)
        is_new_default = provider == new.image_model != old.image_model
        if own and new.is_ready(provider) and (is_changed or is_new_default):
            return _test(current, new, provider)
    return None


def _tested_default(old: Settings, edit: Edit, changes: Mapping[str, str], tested: KeyTest) -> dict[str, str]:
    """The change of IMAGE_MODEL that a test makes: what fails does not become the default, but the first real
    model that passes replaces the demo."""
    new = edit.settings(changes)
    if tested.result == "bad":
        is_kept = new.image_model == tested.provider != old.image_model and new.is_ready(old.image_model)
        return {"IMAGE_MODEL": old.image_model} if is_kept else {}
    first = edit.settings({**changes, "IMAGE_MODEL": ""}).image_model
    is_held = new.image_model == "demo" and "IMAGE_MODEL" not in changes and first == tested.provider
    return {"IMAGE_MODEL": ""} if is_held else {}


def _require_keys_for_new_address(
    new: Settings, changes: Mapping[str, str], given: Mapping[str, str]
) -> None:
    """A stored key is not sent to a new address: it has to be given again with the address."""
    for provider, variables in SERVICES.items():
        is_moved = any(name in changes for name in _addresses(provider))  # an empty one: to the default
        for key in variables if is_moved else ():
            if SETTINGS[key].kind == "key" and given.get(key, "").strip() != getattr(new, key.lower()):
                text = "改服务地址时请重新填 {key}，已存的密钥不会发到新的地址"
                raise InvalidRequest(key, text, key=key)


def _addresses(provider: str) -> list[str]:
    return [name for name in SERVICES[provider] if SETTINGS[name].kind == "address"]


def _keep_prices(
    old: Settings, new: Settings, changes: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Message, ...]]:
    """(further changes, what they are): no price that is set becomes that of another model or address."""
    further: dict[str, str] = {}
    notes: list[Message] = []
    if old.image_model != new.image_model and old.price_per_image is not None:
        own, price = f"{old.image_model.upper()}_PRICE", f"{old.price_per_image:f}"
        text = "PRICE_PER_IMAGE 的 ¥{price} 是原来的默认模型的价格，已清空"
        if "PRICE_PER_IMAGE" not in changes:
            further["PRICE_PER_IMAGE"] = ""
        is_kept = own in VARIABLES and getattr(old, own.lower()) is None and own not in changes
        if is_kept and not _moved(old.image_model, old, new):
            further[own] = price
            text = "PRICE_PER_IMAGE 的 ¥{price} 是原来的默认模型的价格，已改记为 {own}"
        notes.append(message(text, price=price, own=own))
    for provider in SERVICES:
        if not (moved := _moved(provider, old, new)):
            continue
        is_default = provider == old.image_model == new.image_model
        for name in (f"{provider.upper()}_PRICE", *(("PRICE_PER_IMAGE",) if is_default else ())):
            if getattr(new, name.lower(), None) is not None and name not in changes:
                further[name] = ""
                text = "{name} 是改 {moved} 之前的价格，已清空，请核对新的价格"
                notes.append(message(text, name=name, moved=moved))
    return further, tuple(notes)


def _moved(provider: str, old: Settings, new: Settings) -> str:
    """The variable, if any, by which a provider's configured model is another one: its id, or an address."""
    names = (generator.model_variable(provider), *_addresses(provider))
    is_other = (name for name in names if name and getattr(old, name.lower()) != getattr(new, name.lower()))
    return next(is_other, "")


def test_key(current: Services, db: database.Connection, provider: str) -> KeyTest:
    """Test the stored key of a provider with a free call, one test at a time.

    Raises NotFound, Conflict while a key is missing, or TryLater.
    """
    if provider not in SERVICES:
        raise NotFound("没有叫「{name}」的模型，可选：{choices}", name=provider[:60], choices=tuple(SERVICES))
    if missing := tuple(current.settings.missing_for(provider)):
        raise Conflict("还没有填 {keys}，填好并保存后再测", keys=missing)
    client = generator.open_provider(replace(current.settings, image_model=provider))
    if not SERVICES[provider]:
        raise Conflict("{model}不需要密钥", model=message(client.spec.setup.title))
    tested = _test(current, current.settings, provider)
    _note(current, db, tested)
    return tested


def _test(current: Services, settings: Settings, provider: str) -> KeyTest:
    """Test the key of a provider in these settings. Raises TryLater."""
    try:
        with current.key_tests:
            found = generator.open_provider(replace(settings, image_model=provider)).check_key()
        tested = KeyTest("good" if found.verified else "open", found.text, provider)
    except ModelError as problem:
        tested = KeyTest("bad", problem.message, provider, is_refused=problem.pauses_batch)
    log.event("web", "key_tested", model=provider, result=tested.result, refused=tested.is_refused)
    return tested


def _note(current: Services, db: database.Connection, tested: KeyTest) -> None:
    """Show the service as refusing, or as ready again."""
    for engine in current.runtime.engines:
        if engine.spec.name == tested.provider and (tested.is_refused or tested.result == "good"):
            engine.judge(tested.text if tested.is_refused else None, database.now(db))
