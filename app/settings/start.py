"""The settings that the next start reads, of OSS and of access: tested, then written to ``.env``."""

import re
from collections.abc import Collection, Mapping

from app.config import ACCESS, OSS, Settings, read_settings
from app.env_file import EnvFile
from app.errors import AppError, Conflict, InvalidRequest, Message, SettingError, message
from app.library.library import try_bucket
from app.setting import is_address
from app.settings.providers import (
    KeyTest,
    Variable,
    at_field,
    changed,
    note_settings,
    require_own,
    variables_of,
)
from app.system import listener
from app.web.services import Services

START_VARIABLES = (*OSS, *ACCESS)
_LEAST_PASSWORD = 8
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"  # of a host name


def list_start_variables(current: Services) -> dict[str, Variable]:
    """Those of ``START_VARIABLES`` as the next start would read them. Raises SettingError."""
    return variables_of(START_VARIABLES, _next_settings(current), current.env_file)


def waits_for_restart(current: Services, names: tuple[str, ...]) -> Message | None:
    """What the next start does with those of these variables that were saved after this one."""
    now, then = current.settings, _next_settings(current)
    saved = [name for name in names if getattr(now, name.lower()) != getattr(then, name.lower())]
    return _saved(saved, then) if saved else None


def _next_settings(current: Services) -> Settings:
    file = current.env_file
    return read_settings({**file.values(), **file.environ}) if file else current.settings


def change_start_settings(now: Settings, file: EnvFile, wanted: Mapping[str, str], *, host: str) -> KeyTest:
    """Test the variables that differ, and write them to ``.env`` -> what happened; the next start reads them.

    ``host`` is the name that opened the page. Raises Conflict when OSS fails the test, InvalidRequest with
    the variable, or DiskError, with nothing changed.
    """
    try:
        with file.edit() as edit:
            changes = changed(wanted, {**edit.values, **file.environ})
            require_own(changes, file)
            if not changes:
                return KeyTest("good", message("没有改动"))
            new = edit.settings(changes)
            _test(now, changes, new, host)
            edit.save(changes)
    except SettingError as error:
        raise at_field(error) from error
    note_settings(changes)
    saved = _saved(changes, new)
    if new.oss_enabled and any(name in changes for name in OSS):
        saved = message("OSS 能列、能写、能删。{saved}", saved=saved)
    return KeyTest("good", saved)


def _test(now: Settings, changes: Mapping[str, str], new: Settings, host: str) -> None:
    if new.oss_enabled and any(name in changes for name in OSS):
        try:
            try_bucket(new)
        except SettingError:
            raise
        except AppError as error:
            raise Conflict("没有存，OSS 的测试没有通过：{reason}", reason=error.message) from error
    if 0 < len(changes.get("ACCESS_PASSWORD", "")) < _LEAST_PASSWORD:
        raise InvalidRequest("ACCESS_PASSWORD", "访问密码至少 {n} 个字", n=_LEAST_PASSWORD)
    if "HOST" in changes or "PORT" in changes:
        held = now.host if new.port == now.port else ""
        try:
            listener.require_bindable(new.host, new.port, held=held)
        except listener.PortTaken as error:
            text = "端口 {port} 已经被别的程序占用，请换一个"
            raise InvalidRequest("PORT", text, port=new.port) from error
    if "ALLOWED_HOSTS" in changes:
        _require_hosts(new.allowed_hosts, host)


def _require_hosts(names: tuple[str, ...], host: str) -> None:
    """Raises InvalidRequest for what no browser asks for, and when the name that opened this page is gone."""
    for name in names:
        if not (is_address(name) or (re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name) and len(name) <= 253)):
            text = "「{name}」不是主机名，请写成 mac.local 这样，几个用英文逗号分开"
            raise InvalidRequest("ALLOWED_HOSTS", text, name=name[:60])
    if not (host == "localhost" or is_address(host) or host in names):
        text = "您现在就是用 {name} 打开的，去掉它就打不开了，请留着"
        raise InvalidRequest("ALLOWED_HOSTS", text, name=host)


def _saved(changes: Collection[str], new: Settings) -> Message:
    """When the changes count, and where the page is then."""
    names, others = new.allowed_hosts, listener.address_for_others(new.host, new.port)
    if others and any(name in changes for name in ACCESS):
        addresses = tuple(dict.fromkeys([others, *(f"http://{name}:{new.port}" for name in names)]))
        text = "已保存，重新启动后生效，那时别的电脑打开 {address}，用访问密码登录"
        return message(text, address=addresses)
    if "HOST" in changes or "PORT" in changes:
        own = listener.address(new.host, new.port)
        return message("已保存，重新启动后生效，那时打开 {address}", address=own)
    return message("已保存，重新启动后生效")
