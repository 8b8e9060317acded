"""Who may do what at an agent's service, by the name in the certificate that the caller shows.

===================  =====================================================================================
the port is          who may
===================  =====================================================================================
mutual TLS           read: whoever the client authority signed, or, with rules for reading, whom they name;
                     execute, join: whom a rule names, and nobody without one
TLS, no client CA    nobody is known: what the rule ``*`` opens to everybody, and nothing else
plaintext            everything, everybody who reaches the port: the machine is trusted (loopback), or
                     ``--insecure`` gave it up. Rules would be void, and are refused
===================  =====================================================================================

A certificate's names are its subject's common name and all its alternative names (DNS, IP, URI, mail). Whoever may
execute or join may read, too: neither can be done blindly. Joining does not include executing, nor the reverse: an
Execute of ``join node`` or ``add node`` (an operator's ``etcdmeta node join``) needs both rights, since it makes a
node a member. All other commands need the right to execute alone, the repairs after a restore included.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from etcdmeta.agent.certificates import ServerTls
from etcdmeta.agent.patterns import EVERYBODY, NamePattern
from etcdmeta.errors import ConfigurationInvalid, InvalidAddress, PermissionDenied, Unauthenticated

if TYPE_CHECKING:
    from typing import Self

_log = logging.getLogger("etcdmeta.agent")

_MAX_NAME = 255  # what a DNS name may have; longer ones are cut where they are told
_MAX_TOLD = 3  # of a certificate's names, in an error
_NAMELESS = "a certificate without a name"


class Right(Enum):
    """What is allowed or not; the value is the verb of messages and of the flag ``--allow-…``."""

    READ = "read"
    EXECUTE = "execute"
    JOIN = "join"


RIGHTS: Mapping[str, Right] = {
    **dict.fromkeys(("Fetch", "Watch", "Read", "Status"), Right.READ),
    **dict.fromkeys(("Execute", "Conclude", "VerifyPassword", "PruneLedger"), Right.EXECUTE),
    **dict.fromkeys(("Join", "Leave", "Lease", "Advise"), Right.JOIN),
}
"""The right that each method of the service needs."""


class PeerContext(Protocol):
    """Of gRPC's call context, what shows who is calling."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """The patterns that open each right. Empty, as by default: reading to all who are known, the rest to nobody."""

    read: tuple[NamePattern, ...] = ()
    execute: tuple[NamePattern, ...] = ()
    join: tuple[NamePattern, ...] = ()

    @classmethod
    def parse(cls, *, read: Iterable[str] = (), execute: Iterable[str] = (), join: Iterable[str] = ()) -> Self:
        """From texts, each with one pattern or several and commas between. Raises ConfigurationInvalid."""
        return cls(_patterns(read), _patterns(execute), _patterns(join))

    def __bool__(self) -> bool:
        return bool(self.read or self.execute or self.join)

    def opening(self, right: Right) -> tuple[NamePattern, ...]:
        """The patterns that open a right, those of the rights that include it among them."""
        if right is Right.READ:
            return (*self.read, *self.execute, *self.join)
        return self.execute if right is Right.EXECUTE else self.join


class Trust:
    """Decides every call. Changes with nothing: rules are for the life of the agent, certificates rotate elsewhere."""

    def __init__(self, rules: Rules, tls: ServerTls | None) -> None:
        """``tls``: what the port speaks; None is plaintext. Raises ConfigurationInvalid where rules would be void."""
        if rules:
            _refuse_void(rules, tls)
        self._rules = rules
        self._tls = tls

    def check(self, method: str, context: PeerContext) -> str:
        """The caller's name, or "" where nobody is known, if it may call this method of the service.

        Raises Unauthenticated where a name is needed and none is shown, PermissionDenied where it is not enough.
        """
        method = method.rpartition("/")[2]
        right = RIGHTS.get(method)
        if right is None:  # fails closed, should a method be added and forgotten here
            raise PermissionDenied(f"nobody may call {method}", value=method, rule="no right covers this method")
        if self._tls is None:
            return ""
        names = _names(context.auth_context())
        if names is None:
            return self._stranger(method, right)
        opening = self._rules.opening(right)
        if right is Right.READ and not self._rules.read:
            return names[0]
        if not any(pattern.matches(name) for pattern in opening for name in names):
            raise PermissionDenied(
                f"{names[0]} may not {right.value} at this agent ({method})",
                value=names[0],
                rule="no rule names a name of this certificate",
                remedy=f"start the agent with --allow-{right.value} PATTERN, where the pattern takes "
                + (" or ".join(names[:_MAX_TOLD]) if names[0] != _NAMELESS else "its name; a certificate needs one"),
            )
        return names[0]

    def _stranger(self, method: str, right: Right) -> str:
        """A caller without a certificate: what is open to everybody is open to it where nobody could show one."""
        has_authority = self._tls is not None and self._tls.client_ca is not None
        if not has_authority and any(pattern.text == EVERYBODY for pattern in self._rules.opening(right)):
            return ""
        raise Unauthenticated(
            f"this agent does not know who wants to {right.value} ({method})",
            value=method,
            rule="who may do what is told by the certificate that the caller shows",
            remedy="show a certificate (--cert, --key)"
            if has_authority
            else "start the agent with --tls-client-ca FILE, so that callers are known; "
            f"--allow-{right.value} '*' would open it to everybody",
        )


def require_loopback(listen: str, tls: ServerTls | None, insecure: bool) -> None:
    """Refuse a plaintext port that other machines reach; with ``insecure`` say loudly what was given up.

    ``listen`` is host:port; a host that is neither an address nor ``localhost`` counts as reachable, since what it
    resolves to may change. Raises ConfigurationInvalid, and InvalidAddress for what is no host:port.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise InvalidAddress(
            f"{listen!r} is no host:port to listen on", value=listen, remedy="for example 127.0.0.1:8188"
        )
    if tls is not None or _is_loopback(host):
        return
    if not insecure:
        raise ConfigurationInvalid(
            f"listening on {listen} without TLS",
            value=listen,
            rule="without TLS an agent listens on loopback only: whoever reaches the port reads and changes everything",
            remedy="give --tls-cert, --tls-key and --tls-client-ca, listen on 127.0.0.1, or say --insecure",
        )
    _log.warning(
        "INSECURE: listening on %s without TLS: whoever reaches this port reads, changes and joins the cluster, "
        "and whoever is on the way listens",
        listen,
    )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def _patterns(texts: Iterable[str]) -> tuple[NamePattern, ...]:
    return tuple(NamePattern(part.strip()) for text in texts for part in text.split(","))


def _refuse_void(rules: Rules, tls: ServerTls | None) -> None:
    given = (*rules.read, *rules.execute, *rules.join)
    if tls is None:
        raise ConfigurationInvalid(
            f"a rule for {given[0]}, but no TLS",
            value=str(given[0]),
            rule="without TLS everybody who reaches the port may do everything",
            remedy="give --tls-cert, --tls-key and --tls-client-ca, or leave out --allow-read, -execute and -join",
        )
    named = [pattern.text for pattern in given if pattern.text != EVERYBODY]
    if tls.client_ca is None and named:
        raise ConfigurationInvalid(
            f"a rule for {named[0]}, but no authority that signs such names",
            value=named[0],
            rule="without --tls-client-ca no caller shows a certificate, and only the rule * opens anything",
            remedy="give --tls-client-ca",
        )


def _names(properties: Mapping[str, Iterable[bytes]]) -> tuple[str, ...] | None:
    """All names of the certificate, its common name first; None: none was shown, or not over TLS."""
    if list(properties.get("transport_security_type", ())) != [b"ssl"] or not list(properties.get("x509_pem_cert", ())):
        return None
    found = [
        _readable(name)
        for kind in ("x509_common_name", "x509_subject_alternative_name")
        for name in properties.get(kind, ())
        if name
    ]
    return tuple(dict.fromkeys(found)) or (_NAMELESS,)


def _readable(name: bytes) -> str:
    """As it may stand in a log: what does not print is escaped, and what no name can be is cut."""
    text = name.decode("utf-8", "backslashreplace")
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return shown if len(shown) <= _MAX_NAME else f"{shown[:_MAX_NAME]}…"
