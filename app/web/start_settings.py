"""The settings that the next start reads, of OSS and of access: tested, then written to ``.env``."""

from collections.abc import Mapping

from app import log
from app.config import Settings, read_settings
from app.errors import AppError, Conflict, Forbidden, InvalidRequest, Message, SettingError, message
from app.library.bucket_check import try_bucket
from app.system import listener
from app.web.provider_settings import KeyTest, Variable, change_problem, variables_of
from app.web.services import services

OSS = (
    *("OSS_ENABLED", "OSS_ENDPOINT", "OSS_BUCKET", "OSS_REGION", "OSS_ACCESS_KEY_ID"),
    *("OSS_ACCESS_KEY_SECRET", "OSS_OUTPUT_PREFIX", "OSS_PUBLIC_URL"),
)
ACCESS = ("HOST", "ACCESS_PASSWORD")
START_VARIABLES = (*OSS, *ACCESS)
_LEAST_PASSWORD = 8


def list_start_variables() -> dict[str, Variable]:
    """Those of ``START_VARIABLES`` as the next start would read them. Raises SettingError."""
    return variables_of(START_VARIABLES, _next_settings())


def waits_for_restart(names: tuple[str, ...]) -> bool:
    """Whether one of these variables was saved after the start."""
    now, then = services().settings, _next_settings()
    return any(getattr(now, name.lower()) != getattr(then, name.lower()) for name in names)


def _next_settings() -> Settings:
    file = services().env_file
    return read_settings({**file.values(), **file.environ}) if file else services().settings


def change_start_settings(wanted: Mapping[str, str]) -> KeyTest:
    """Test the variables that differ, and write them to ``.env`` -> what happened; the next start reads them.

    Raises Forbidden, Conflict when OSS fails the test, InvalidRequest with the variable, or DiskError, with
    nothing changed.
    """
    problem, file = change_problem(), services().env_file
    if problem or file is None:
        raise Forbidden(problem or "")
    try:
        with file.edit() as edit:
            written = {**edit.values, **file.environ}
            changes = {
                name: value.strip()
                for name, value in wanted.items()
                if value.strip() != written.get(name, "").strip()
            }
            for name in changes:
                if name in file.environ:
                    raise InvalidRequest(name, "{name} 由系统的环境变量设置，请在那里改", name=name)
            if not changes:
                return KeyTest("good", message("没有改动"))
            new = edit.settings(changes)
            _test(changes, new)
            edit.save(changes)
    except SettingError as error:
        raise InvalidRequest(error.variable, error.message) from error
    log.event("web", "settings_changed", variables=",".join(changes))
    return KeyTest("good", _saved(changes, new))


def _test(changes: Mapping[str, str], new: Settings) -> None:
    if new.oss_enabled and any(name in changes for name in OSS):
        try:
            try_bucket(new)
        except SettingError:
            raise
        except AppError as error:
            raise Conflict("没有存，OSS 的测试没有通过：{reason}", reason=error.message) from error
    if 0 < len(changes.get("ACCESS_PASSWORD", "")) < _LEAST_PASSWORD:
        raise InvalidRequest("ACCESS_PASSWORD", "访问密码至少 {n} 个字", n=_LEAST_PASSWORD)
    if "HOST" in changes:
        current = services().settings
        held = current.host if new.port == current.port else ""
        try:
            listener.require_bindable(new.host, new.port, held=held)
        except listener.PortTaken as error:
            raise InvalidRequest("HOST", error.message) from error


def _saved(changes: Mapping[str, str], new: Settings) -> Message:
    others = listener.address_for_others(new.host, new.port)
    if others and any(name in changes for name in ACCESS):
        return message("已保存，重新启动后生效，那时别的电脑打开 {address}，用访问密码登录", address=others)
    if new.oss_enabled and any(name in changes for name in OSS):
        return message("OSS 能列、能写、能删，已保存，重新启动后生效")
    return message("已保存，重新启动后生效")
