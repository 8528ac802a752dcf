"""One Aliyun OSS bucket: list, upload, fetch, copy, delete, signed URLs. The only module that uses oss2.

Uses signature V4. Service errors become BucketError, NotFound or Conflict, with one sentence that names the
setting to check. Only read operations are retried.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import oss2

from app.config import Settings
from app.errors import BucketError, Conflict, Message, NotFound, SettingError, message, network_reason

CONNECT_SECONDS, READ_SECONDS = 3.0, 20.0
LONGEST_URL_SECONDS = 604_800  # limit of a V4 signature: enforced by the service, not by oss2
MOST_KEYS = 200_000  # per listing
MOST_PAGES = 2_000  # a page may hold fewer keys than requested
MOST_LIST_CHARACTERS = 32_000_000  # total of all keys and ETags
_PAGE = 1_000
_PAGE_BYTES = 4 * 1024 * 1024  # 1,000 keys of 1,023 bytes, percent-encoded, and the XML around them
_OBJECT_BYTES = 64 * 1024 * 1024
_OBJECT_SECONDS = 60.0  # for one answer, besides what its bytes take at the rate below
_LEAST_RATE = 50_000  # bytes a second
_LONGEST_TOKEN = 8_192
_PAUSES = (0.2, 0.8)  # seconds before the second and the third attempt
_CONNECTIONS = 16

T = TypeVar("T")

_SERVICE = re.compile(
    r"((?P<bucket>[^.]+)\.)?(?P<service>oss-[a-z0-9-]+\.aliyuncs\.com|[a-z0-9-]+\.oss\.aliyuncs\.com)"
)
_REGION_IN_HOST = re.compile(r"(oss-)?(?P<region>[a-z]{2,}-[a-z0-9-]+?)(-internal)?(\.oss)?\.aliyuncs\.com")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z]{2,}-[a-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object in the bucket; ``modified_at`` is a Unix time, ``etag`` changes with the content."""

    key: str
    size: int
    modified_at: float
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The bucket's location: ``endpoint`` for our own calls, ``public_url`` for signed URLs."""

    bucket: str
    region: str
    endpoint: str
    is_own_domain: bool
    public_url: str
    is_public_own_domain: bool

    @property
    def is_tried(self) -> bool:
        """Whether signed URLs lead where our own calls do, or where OSS_PUBLIC_URL says.

        The public address beside an internal endpoint may be closed, as it is to newer accounts.
        """
        return self.public_url == self.endpoint or self.is_public_own_domain


def read_address(settings: Settings) -> Address:
    """Parse the OSS settings. Raises SettingError naming the variable that is missing or wrong."""
    for variable in ("OSS_ENDPOINT", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"):
        if not getattr(settings, variable.lower()):
            raise SettingError(variable, "OSS_ENABLED=true 时必须填写")
    scheme, host = _origin("OSS_ENDPOINT", settings.oss_endpoint)
    named = _SERVICE.fullmatch(host)
    bucket = _bucket(settings.oss_bucket, (named["bucket"] or "") if named else "")
    if named:
        host = named["service"]
    is_own_domain = not named and not _is_numeric(host)
    public_url = f"{scheme}://{host.replace('-internal.', '.')}"
    if settings.oss_public_url:
        public_url = "://".join(_origin("OSS_PUBLIC_URL", settings.oss_public_url))
    return Address(
        bucket=bucket,
        region=_region(settings.oss_region, host),
        endpoint=f"{scheme}://{host}",
        is_own_domain=is_own_domain,
        public_url=public_url,
        is_public_own_domain=is_own_domain or bool(settings.oss_public_url),
    )


class Bucket:
    """A thread-safe client of the configured bucket. The constructor makes no request.

    Every method raises BucketError for errors of the service or the network.
    """

    def __init__(self, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.address = read_address(settings)
        self._sleep = sleep
        self._output_prefix = settings.oss_output_prefix
        self._auth = oss2.AuthV4(settings.oss_access_key_id, settings.oss_access_key_secret)
        self._service = self._open(self.address.endpoint, is_cname=self.address.is_own_domain)
        self._public = self._open(self.address.public_url, is_cname=self.address.is_public_own_domain)

    def list_objects(self, prefix: str, *, most_pages: int | None = None) -> Iterator[StoredObject]:
        """Yield every object under the prefix, by key; pages of 1,000 are requested lazily.

        Raises BucketError beyond ``most_pages``, by default beyond MOST_PAGES, MOST_KEYS or
        MOST_LIST_CHARACTERS; and when a page token repeats or is too long.
        """
        token, tokens, keys, characters = "", {""}, 0, 0
        for _ in range(most_pages or MOST_PAGES):
            page = self._list_page(prefix, token)
            keys += len(page.object_list)
            characters += sum(len(found.key) + len(found.etag) for found in page.object_list)
            is_too_long = keys > MOST_KEYS or characters > MOST_LIST_CHARACTERS
            if is_too_long and most_pages is None:
                raise self._too_many(prefix)
            for found in page.object_list:
                yield StoredObject(
                    key=found.key, size=found.size, modified_at=float(found.last_modified), etag=found.etag
                )
            if not page.is_truncated:
                return
            token = page.next_continuation_token
            if token in tokens or len(token) > _LONGEST_TOKEN:
                text = "OSS 的文件列表翻页时回到了前面，没有读完，请检查 OSS_ENDPOINT 是不是 OSS 的地址"
                raise BucketError(text, transient=False)
            tokens.add(token)
        raise self._too_many(prefix)

    def head(self, key: str) -> StoredObject:
        """Return one object's metadata. Raises NotFound."""
        head = self._with_retries("读取", lambda: self._service.head_object(key))
        modified_at, size = float(head.last_modified or 0), int(head.content_length or 0)
        return StoredObject(key=key, size=size, modified_at=modified_at, etag=head.etag or "")

    def fetch(self, key: str, *, process: str = "") -> bytes:
        """Return the content of one object; ``process`` is an x-oss-process to apply. Raises NotFound."""
        content: bytes = self._with_retries(
            "读取", lambda: self._service.get_object(key, process=process or None).read()
        )
        return content

    def put(self, key: str, content: bytes | IO[bytes], media_type: str) -> None:
        """Upload the content, or a file from its position on, under the key.

        Not retried: that is the caller's decision. An answer without an ETag is not from OSS: a proxy that
        answers 200 with a page of its own has stored nothing.
        """

        def put() -> None:
            if not self._service.put_object(key, content, headers={"Content-Type": media_type}).etag:
                raise ValueError

        self._once("上传", put)

    def copy(self, key: str, target: str, *, if_match: str = "", overwrite: bool = True) -> None:
        """Copy an object within the bucket. Raises NotFound.

        Raises Conflict when the ETag differs from ``if_match``, or when the target exists and ``overwrite``
        is false (a versioned bucket ignores this and adds a version).
        """
        headers = {"x-oss-copy-source-if-match": if_match} if if_match else {}
        if not overwrite:
            headers["x-oss-forbid-overwrite"] = "true"
        bucket = self.address.bucket
        self._once("复制", lambda: self._service.copy_object(bucket, key, target, headers=headers))

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is not an error."""
        self._once("删除", lambda: self._service.delete_object(key))

    def signed_url(self, key: str, *, seconds: int, process: str = "") -> str:
        """Return a URL that is public for that many seconds; ``process`` is an x-oss-process.

        Computed locally: it does not check that the object exists.
        """
        params = {"x-oss-process": process} if process else {}  # a new dict: sign_url modifies it
        lifetime = max(1, min(seconds, LONGEST_URL_SECONDS))
        url: str = self._public.sign_url("GET", key, lifetime, params=params, slash_safe=True)
        return url

    def _too_many(self, prefix: str) -> BucketError:
        is_output = self._output_prefix and prefix.startswith(self._output_prefix)
        variable = "OSS_OUTPUT_PREFIX" if is_output else "OSS_SAMPLE_PREFIX"
        text = "OSS 的「{prefix}」下文件太多，没有读完，请把 {variable} 换成一个文件少的文件夹"
        return BucketError(text, prefix=prefix, variable=variable, transient=False)

    def _open(self, endpoint: str, *, is_cname: bool) -> oss2.Bucket:
        return oss2.Bucket(
            self._auth,
            endpoint,
            self.address.bucket,
            is_cname=is_cname,
            session=_Session(pool_size=_CONNECTIONS),
            connect_timeout=(CONNECT_SECONDS, READ_SECONDS),
            region=self.address.region,
        )

    def _list_page(self, prefix: str, token: str) -> oss2.models.ListObjectsV2Result:
        return self._with_retries(
            "列出文件",
            lambda: self._service.list_objects_v2(prefix, continuation_token=token, max_keys=_PAGE),
        )

    def _with_retries(self, action: str, call: Callable[[], T]) -> T:
        """Retry transient errors, at most twice."""
        for pause in _PAUSES:
            try:
                return self._once(action, call)
            except BucketError as error:
                if not error.transient:
                    raise
                self._sleep(pause)
        return self._once(action, call)

    def _once(self, action: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except oss2.exceptions.OssError as error:
            raise _translate_error(error, action) from error
        except _TooLarge as error:
            text = "OSS 的答复太大，没有读完：请换一个小一些的文件，并检查 OSS_ENDPOINT 是不是 OSS 的地址"
            raise BucketError(text, transient=False) from error
        except OSError as error:  # truncated response: oss2 does not wrap the error of requests
            raise _unreachable(error) from error
        except (ParseError, RuntimeError, ValueError) as error:  # not XML, unexpected XML, not JSON
            text = "OSS_ENDPOINT 的答复不像是 OSS，请检查这个地址"
            raise BucketError(text, transient=False) from error


class _TooLarge(Exception):
    """A response larger than its limit."""


class _Session(oss2.Session):  # type: ignore[misc]  # oss2 has no types
    """Limits the response size, because oss2 reads whole responses into memory."""

    def do_request(self, req: oss2.http.Request, timeout: object) -> oss2.http.Response:
        most = _PAGE_BYTES if "list-type" in req.params else _OBJECT_BYTES
        return _Bounded(super().do_request(req, timeout), most)


class _Bounded(oss2.http.Response):  # type: ignore[misc]
    def __init__(self, found: oss2.http.Response, most: int) -> None:
        super().__init__(found.response)
        self._most = most
        self._is_read = False

    def read(self, amt: int | None = None) -> bytes:
        if amt is not None:
            part: bytes = super().read(amt)
            return part
        if self._is_read:
            return b""
        content, until = bytearray(), time.monotonic() + _OBJECT_SECONDS
        for part in self:
            content += part
            if time.monotonic() > until + len(content) / _LEAST_RATE:
                self.response.close()
                raise TimeoutError("timed out")
            if len(content) > self._most:
                self.response.close()
                raise _TooLarge
        self._is_read = True
        return bytes(content)


def _origin(variable: str, value: str) -> tuple[str, str]:
    """Return the scheme (https by default) and the host with port; a path or query is an error."""
    parts = urlsplit(value if "://" in value else f"https://{value}")
    host = parts.netloc.lower()
    plain = re.fullmatch(r"[a-z0-9.-]+(:[0-9]{1,5})?", host) and parts.path in ("", "/")
    if parts.scheme not in ("http", "https") or not plain or parts.query or parts.fragment:
        raise SettingError(
            variable, "应只写域名，例如 https://oss-cn-hangzhou.aliyuncs.com，现在是「{value}」", value=value
        )
    return parts.scheme, host


def _bucket(wanted: str, in_endpoint: str) -> str:
    if wanted and in_endpoint and wanted != in_endpoint:
        raise SettingError(
            "OSS_BUCKET",
            "写的是 {bucket}，OSS_ENDPOINT 里却是 {in_endpoint}，请改成一样的",
            bucket=wanted,
            in_endpoint=in_endpoint,
        )
    bucket = wanted or in_endpoint
    if not _BUCKET.fullmatch(bucket):
        raise SettingError(
            "OSS_BUCKET", "应为 3–63 个小写字母、数字或短横线，现在是「{bucket}」", bucket=bucket
        )
    return bucket


def _region(wanted: str, host: str) -> str:
    """Return the region, by default the endpoint's. An empty one would sign invalid URLs."""
    found = _REGION_IN_HOST.fullmatch(host)
    in_host = found["region"] if found and "accelerate" not in host else ""
    region = wanted.lower().removeprefix("oss-") or in_host
    if not _REGION.fullmatch(region):
        raise SettingError("OSS_REGION", "应为地域，例如 cn-hangzhou，现在是「{region}」", region=wanted)
    if in_host and region != in_host:
        raise SettingError(
            "OSS_REGION",
            "写的是 {region}，OSS_ENDPOINT 却在 {in_endpoint}，请改成一样的",
            region=region,
            in_endpoint=in_host,
        )
    return region


def _is_numeric(host: str) -> bool:
    name = host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


# OSS error code -> what to do. None of them is transient.
_PERMANENT_CODES = {
    "InvalidAccessKeyId": "OSS 不认识这个 AccessKey，请检查 OSS_ACCESS_KEY_ID，它可能写错、停用或已删除",
    "SignatureDoesNotMatch": "OSS 说签名不对，请检查 OSS_ACCESS_KEY_SECRET 是否和 OSS_ACCESS_KEY_ID 配套",
    "NoSuchBucket": "OSS 里没有这个 Bucket，请检查 OSS_BUCKET，以及 OSS_ENDPOINT 的地域",
    "InvalidBucketName": "Bucket 的名字不对，请检查 OSS_BUCKET",
    "RequestTimeTooSkewed": "这台电脑的时间与 OSS 相差超过 15 分钟，请校准系统时间",
    "PublicEndpointForbidden": (
        "这个账号不能用 OSS 的默认公网地址，请给 Bucket 绑定自有域名并写进 OSS_ENDPOINT 和 OSS_PUBLIC_URL"
    ),
    "SecondLevelDomainForbidden": "OSS_ENDPOINT 不能带路径形式的 Bucket，请只写 oss-<地域>.aliyuncs.com",
    "InvalidSecurityToken": "OSS 说临时凭证无效，请在 OSS_ACCESS_KEY_ID 填长期的 AccessKey",
    "UserDisable": "这个阿里云账号的 OSS 已停用，请到控制台查看",
    "InDebt": "阿里云账号已欠费，OSS 暂不可用，请先充值",
    "InDebtOverdue": "阿里云账号欠费已久，OSS 已停止服务，请先充值",
    "InvalidObjectName": "文件名太长或含有 OSS 不接受的字符，请改短一些",
}
_WRONG_REGION = "OSS_REGION 与 Bucket 所在的地域不一致，请改成 Bucket 的地域，例如 cn-hangzhou"
_WRONG_ENDPOINT = "Bucket 不在 OSS_ENDPOINT 的地域，请按控制台里 Bucket 的外网 Endpoint 填写"
_RIGHTS = {
    "列出文件": "oss:ListObjects",
    "读取": "oss:GetObject",
    "上传": "oss:PutObject",
    "复制": "oss:GetObject 和 oss:PutObject",
    "删除": "oss:DeleteObject",
}
_BUSY_CODES = ("RequestTimeout", "QpsLimitExceeded", "SlowDown", "DownloadTrafficRateLimitExceeded")


def _translate_error(error: oss2.exceptions.OssError, action: str) -> BucketError | NotFound | Conflict:
    """Translate an oss2 error into ours. The message contains neither key nor address."""
    code, detail = str(error.code), str(error.message).lower()
    if error.status == 404 and code != "NoSuchBucket" and action != "列出文件":
        return NotFound("OSS 里没有这个文件，可能已被移走或删除")
    if code == "FileAlreadyExists":
        return Conflict("OSS 里已有同名的文件，请换一个名字")
    if error.status == 412:
        return Conflict("OSS 里的这个文件已被换成了另一个，请重新选择")
    if isinstance(error, oss2.exceptions.RequestError):
        return _unreachable(error.exception)
    if isinstance(error, oss2.exceptions.InconsistentError):
        return BucketError("传到 OSS 的内容在路上出了错，请再试一次", transient=True)
    if code in _PERMANENT_CODES:
        return _permanent(_PERMANENT_CODES[code], code)
    if "region" in detail and error.status in (400, 403):
        return _permanent(_WRONG_REGION, code)
    if "endpoint" in detail and error.status in (301, 307, 403):
        return _permanent(_WRONG_ENDPOINT, code)
    if error.status == 403:
        text = message(
            "OSS 不允许{action}，请在 RAM 里给这个 AccessKey 加上 {permission} 权限，并检查 OSS_BUCKET",
            action=message(action),
            permission=message(_RIGHTS[action]),
        )
        return _permanent(text, code or "403")
    if error.status >= 500 or error.status == 429 or code in _BUSY_CODES:
        return BucketError(
            "OSS 暂时忙不过来（{code}），请稍后再试", code=code or error.status, transient=True
        )
    return BucketError(
        "OSS 没有答应{action}（{code}），请检查 OSS 的各项设置",
        action=message(action),
        code=code or error.status,
        transient=False,
    )


def _permanent(reason: str | Message, code: str) -> BucketError:
    return BucketError("{reason}（{code}）", reason=message(reason), code=code, transient=False)


def _unreachable(error: Exception) -> BucketError:
    text = "连不上 OSS（{reason}），请检查网络和 OSS_ENDPOINT"
    return BucketError(text, reason=network_reason(error), transient=True)
