"""The texts of a config: names, addresses, endpoints, paths, headers, pointers.  Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final, NamedTuple

from proxy.routing.plan import Endpoint
from proxy.settings.kinds import Kind, text
from proxy.settings.units import Unfit

#: RFC 9110 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_DIMENSION = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
#: RFC 3986 3.3: pchar and "/"
_PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*", re.ASCII)
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")

#: Fields that frame the message or belong to the proxy; a shadow's config may not touch them.
PROTECTED_HEADERS: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"),
        *("content-length", "transfer-encoding", "expect", "host"),
        *("via", "x-shadow", "x-request-id"),
    }
)
#: sun_path of Linux holds 108 bytes with its final NUL.
_UNIX_LONGEST: Final = 107


class Address(NamedTuple):
    """Where to listen: an IP address or host name, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def host(value: str) -> str:
    """A DNS name or IP address (IPv6 in brackets), without them and in lower case."""
    if value.startswith("[") and value.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(value[1:-1]))
        except ValueError:
            raise Unfit from None
    if re.fullmatch(r"[0-9.]+", value):
        try:
            return str(ipaddress.IPv4Address(value))
        except ValueError:
            raise Unfit from None
    if len(value) > 253 or not all(_LABEL.fullmatch(part) for part in value.split(".")):
        raise Unfit
    return value.lower()


def host_port(value: str) -> Address:
    """``host:port`` with a port from 1 to 65535."""
    name, colon, port = value.rpartition(":")
    if not colon:
        raise Unfit("the port is missing")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise Unfit
    return Address(host(name), int(port))


def _matched_host(value: str) -> str:
    """As it stands in a Host field: an IPv6 address keeps its brackets (RFC 3986 3.2.2)."""
    plain = host(value)
    return f"[{plain}]" if ":" in plain else plain


def _address(value: object) -> Address:
    if not isinstance(value, str):
        raise Unfit
    return host_port(value)


def _endpoint(value: object) -> Endpoint:
    if not isinstance(value, str):
        raise Unfit
    if value.startswith("unix:"):
        path = value.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path or len(path.encode()) > _UNIX_LONGEST:
            raise Unfit("the path is absolute and has at most 107 bytes")
        return Endpoint(unix=path)
    if value.startswith("https:"):
        raise Unfit("https is not possible yet: let a TLS-ending proxy stand in between")
    if not value.startswith("http://"):
        raise Unfit
    authority = value.removeprefix("http://")
    for sign, part in (("?", "query"), ("#", "fragment"), ("/", "path"), ("@", "user name")):
        if sign in authority:
            raise Unfit(f"without a {part}")
    return Endpoint(*host_port(authority))


def show_endpoint(endpoint: Endpoint) -> str:
    """As it is written in the config."""
    return str(endpoint) if endpoint.unix else f"http://{Address(endpoint.host, endpoint.port)}"


def _whole(pattern: re.Pattern[str], longest: int = 1024) -> Any:
    def check(value: str) -> str:
        if len(value) > longest or not pattern.fullmatch(value):
            raise Unfit
        return value

    return check


def _path(value: str) -> str:
    if "?" in value or "#" in value:
        raise Unfit("without a query or fragment")
    if len(value) > 1024 or not _PATH.fullmatch(value):
        raise Unfit
    return value


def _path_prefix(value: str) -> str:
    _path(value)
    segments = value[1:].split("/")
    if value != "/" and "" in segments:
        raise Unfit("without an empty segment, and without a / at the end")
    if "." in segments or ".." in segments:
        raise Unfit("without . or .. segments")
    return value


def _changeable_header(value: str) -> str:
    _whole(_TOKEN, 256)(value)
    if value.lower() in PROTECTED_HEADERS:
        raise Unfit("this one belongs to the proxy")
    return value


def _pointer(value: str) -> str:
    if not value.startswith("/") or len(value) > 1024 or not _POINTER.fullmatch(value):
        raise Unfit
    return value


def _segment_value(value: str) -> str:
    if value == "missing":
        raise Unfit("what is missing is counted by itself")
    if not value or len(value) > 64 or not value.isprintable():
        raise Unfit
    return value


def _protected(value: str) -> str:
    """``dimension``, or ``dimension=value``."""
    dimension, one, segment = value.partition("=")
    if not _DIMENSION.fullmatch(dimension):
        raise Unfit
    if one and segment != "missing":
        _segment_value(segment)
    return value


def _event_name(value: str) -> str:
    if not value or len(value) > 128 or not value.isprintable():
        raise Unfit
    return value


def _file(value: str) -> str:
    if not value or "\0" in value or len(value) > 4096:
        raise Unfit
    return value


_ADDRESS_EXAMPLE = "host:port with a port from 1 to 65535, such as 127.0.0.1:8080 or [::1]:8080"
ADDRESS = Kind(
    "address",
    _ADDRESS_EXAMPLE,
    _address,
    {"type": "string", "examples": ["127.0.0.1:8080"]},
    str,
    textual=True,
)
ENDPOINT = Kind(
    "endpoint",
    "http://host:port or unix:/path",
    _endpoint,
    {"type": "string", "examples": ["http://127.0.0.1:8001", "unix:/run/model.sock"]},
    show_endpoint,
    textual=True,
)
HOST = text("host name", "a host name or IP address without a port", _matched_host)
NAME = text(
    "name",
    'a text of 1 to 63 letters, digits, ".", "_" or "-" that begins with a letter or digit',
    _whole(_NAME),
    pattern=f"^{_NAME.pattern}$",
)
DIMENSION = text(
    "dimension",
    'a text of 1 to 32 of a-z, 0-9 and "_" that begins with a letter',
    _whole(_DIMENSION),
    pattern=f"^{_DIMENSION.pattern}$",
)
SEGMENT_VALUE = text("text", "a text of 1 to 64 printable characters", _segment_value)
PROTECTED = text(
    "segment",
    "a dimension of segments, or one value of it, such as age_band or age_band=young",
    _protected,
)
EVENT_NAME = text("name", "a text of 1 to 128 printable characters", _event_name)
PATH_PREFIX = text(
    "path", "a path of whole segments, such as /v2/models/credit-risk, or /", _path_prefix
)
PATH = text("path", "a path that begins with /, such as /v2/health/ready", _path)
HEADER = text("header name", "the name of a header, such as X-Customer-Id", _whole(_TOKEN, 256))
CHANGEABLE_HEADER = text(
    "header name",
    "the name of a header that neither frames the message nor belongs to the proxy",
    _changeable_header,
)
FIELD_VALUE = text(
    "text",
    "a text of visible ASCII characters and inner spaces, at most 4096",
    _whole(_FIELD_VALUE, 4096),
)
COOKIE = text("cookie name", "the name of a cookie, such as customer", _whole(_TOKEN, 256))
PARAMETER = text(
    "parameter name",
    "the name of a query parameter, decoded, of visible ASCII characters",
    _whole(_VISIBLE, 256),
)
POINTER = text("JSON pointer", "an RFC 6901 JSON pointer, such as /inputs/0/customer", _pointer)
JSON_TEXT = text("text", "a text of at most 1024 characters", _whole(re.compile(r"(?s).*")))
SALT = text("text", "a text of 1 to 128 visible ASCII characters", _whole(_VISIBLE, 128))
FILE = text("path", "the path of a file, at most 4096 characters", _file)
VARIABLE = text(
    "variable name",
    'the name of an environment variable: letters, digits and "_", no digit first',
    _whole(re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII), 256),
)


def is_token(value: str) -> bool:
    """Whether a text can be the name of a header (RFC 9110 5.6.2)."""
    return _TOKEN.fullmatch(value) is not None
