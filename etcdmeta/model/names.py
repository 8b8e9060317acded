"""What things may be called, and how names become bytes.

InfluxDB 0.9 let a name hold anything; 1.x refuses what would be trouble in a path. New names follow 1.x;
stored ones (imports) are read whatever they hold: bytes that are not UTF-8 become lone surrogates, as in
Python's own file names, and go back to the same bytes.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from etcdmeta.errors import InvalidAddress, InvalidName

LONGEST_NAME: Final = 255
"""Bytes of UTF-8 (InfluxDB 1.x's MaxNameLen)."""

_SHOWN: Final = 60
_LONGEST_HOST: Final = 253  # of a DNS name
_LONGEST_URL: Final = 2048
_SCHEMES: Final = ("http", "https", "udp")
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_PASSWORD: Final = re.compile(r"((?:^|[,\s]|//)[^/@,:\s]*):[^@,\s]*@")


def check_name(name: str, what: str = "database") -> str:
    """The name itself, if a database or policy may be created under it (InfluxDB 1.x's ValidName).

    Raises `InvalidName`.
    """
    check_label_name(name, what)
    if name in {".", ".."} or "/" in name or "\\" in name:
        raise _invalid(name, what, "a name is not '.' or '..' and holds neither '/' nor '\\'")
    return name


def check_label_name(name: str, what: str) -> str:
    """The name itself, if it is one that never becomes part of a path: of a user, a query, a subscription.

    Raises `InvalidName`.
    """
    if not name:
        raise InvalidName(f"the {what} needs a name", value=name, rule="a name is not empty")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as not_text:
        raise _invalid(name, what, "a name is UTF-8") from not_text
    if size > LONGEST_NAME:
        raise _invalid(name, what, f"a name has at most {LONGEST_NAME} bytes of UTF-8, this one has {size}")
    if not name.isprintable():
        # Python's isprintable and Go's unicode.IsPrint agree: letters, marks, numbers, punctuation, symbols
        # and the ASCII space; no control or format characters, no other spaces.
        hidden = next(character for character in name if not character.isprintable())
        raise _invalid(name, what, f"a name holds printable characters only, not U+{ord(hidden):04X}")
    return name


def to_bytes(name: str) -> bytes:
    """The bytes to store. Raises `InvalidName` for surrogates that no bytes stand behind."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as not_text:
        raise _invalid(name, "thing", "a name is UTF-8") from not_text


def from_bytes(stored: bytes) -> str:
    """The name of stored bytes, whatever they are."""
    return stored.decode("utf-8", "surrogateescape")


def check_host(address: str) -> str:
    """The cluster address of a node, ``host:port`` or ``[IPv6]:port``, itself. Raises `InvalidAddress`."""
    host, colon, port = address.rpartition(":")
    if not colon or not _is_host(host):
        raise _no_address(address, "a host name, an IPv4 address or an IPv6 address in brackets, then :port")
    if not _is_port(port):
        raise _no_address(address, "a port is a number from 1 to 65535")
    return address


def without_password(text: str) -> str:
    """Addresses as they may be shown: what stands between a colon and an @ is somebody's password."""
    return _PASSWORD.sub(r"\1:…@", text)


def check_destination(url: str) -> str:
    """A subscription's destination itself: a URL of http, https or udp with host and port (InfluxDB 1.x).

    A user or password in it is refused, since everyone who reads the metadata would read them.
    Raises `InvalidAddress`, which does not repeat them.
    """
    if len(url) > _LONGEST_URL:
        raise _no_destination(url[:_SHOWN] + "…", f"a URL has at most {_LONGEST_URL} characters")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _no_destination(url, "a URL is printable ASCII without spaces")
    try:
        parts = urlsplit(url)
    except ValueError as unreadable:
        raise _no_destination("it", "a URL that can be read") from unreadable
    if "@" in parts.netloc:
        raise _no_destination(f"one of {_host_only(parts)!r}", "a URL here carries no user and no password")
    if parts.scheme not in _SCHEMES:
        raise _no_destination(url, "the scheme is http, https or udp")
    host, colon, port = parts.netloc.rpartition(":")
    if not colon or not _is_host(host) or not _is_port(port):
        raise _no_destination(url, "a URL here has a host and a port, as in http://h1:9092")
    return url


def _is_host(text: str) -> bool:
    if text.startswith("[") and text.endswith("]"):
        try:
            IPv6Address(text[1:-1])
        except AddressValueError:
            return False
        return True
    return len(text) <= _LONGEST_HOST and _HOST.fullmatch(text) is not None


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and 1 <= int(text) <= 65535


def _host_only(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _shown(text: str) -> str:
    """Quoted and escaped, so that no name can disturb a terminal, and cut."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _invalid(name: str, what: str, rule: str) -> InvalidName:
    return InvalidName(f"{_shown(name)} cannot name a {what}", value=name, rule=rule, remedy="choose another name")


def _no_address(address: str, rule: str) -> InvalidAddress:
    bare = without_password(address)
    return InvalidAddress(
        f"{_shown(bare)} is no address of a node", value=bare, rule=rule, remedy="write it as host:8088"
    )


def _no_destination(shown: str, rule: str) -> InvalidAddress:
    return InvalidAddress(
        f"a subscription cannot send to {shown}", value=shown, rule=rule, remedy="write it as http://h1:9092"
    )
