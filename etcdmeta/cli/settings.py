"""Settings: flag > ``ETCDMETA_*`` > ``ETCDCTL_*`` > file > default, each remembering where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etcdmeta.cli.contexts import FileSettings
from etcdmeta.cli.tree import FORMATS, LOG_FORMATS
from etcdmeta.errors import ConfigurationInvalid


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and its source, as ``ETCDCTL_ENDPOINTS`` or ``flag --endpoints``; None: not set."""

    name: str
    value: str | None
    source: str


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    default: str | None = None
    etcdctl: bool = False
    is_path: bool = False
    allowed: tuple[str, ...] = ()


_KINDS = (
    _Kind("endpoints", default="localhost:2379", etcdctl=True),
    _Kind("cluster", default="default"),
    _Kind("user", etcdctl=True),
    _Kind("password-file", is_path=True),
    _Kind("cacert", etcdctl=True, is_path=True),
    _Kind("cert", etcdctl=True, is_path=True),
    _Kind("key", etcdctl=True, is_path=True),
    _Kind("timeout"),
    _Kind("output", default="table", allowed=FORMATS),
    _Kind("log-format", default="text", allowed=LOG_FORMATS),
)
FILE_KEYS = tuple(kind.name for kind in _KINDS)


class Settings:
    """All settings of one run, resolved once. Holds no password: see `etcdmeta.cli.passwords`."""

    def __init__(self, flags: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        """Raises ConfigurationInvalid for a file, a context or a value that cannot be used."""
        self.file = FileSettings.load(
            named=_first(("flag --config", flags.get("config")), _variable(environ, "ETCDMETA_CONFIG")),
            context=_first(("flag --context", flags.get("context")), _variable(environ, "ETCDMETA_CONTEXT")),
            environ=environ,
            known=FILE_KEYS,
        )
        self._settings = {kind.name: self._resolve(kind, flags, environ) for kind in _KINDS}
        self._refuse_password_in_flag()
        if (self.get("cert") is None) != (self.get("key") is None):
            raise ConfigurationInvalid(
                "a client certificate without its key, or a key without its certificate",
                value=self.describe("cert", "key"),
                rule="TLS needs both",
                remedy="set both --cert and --key",
            )

    def __iter__(self) -> Iterator[Setting]:
        return iter(self._settings.values())

    def __getitem__(self, name: str) -> Setting:
        return self._settings[name]

    def get(self, name: str) -> str | None:
        """The value alone."""
        return self._settings[name].value

    @property
    def endpoints(self) -> str:
        """Comma-separated, as given."""
        return self.get("endpoints") or ""

    @property
    def cluster(self) -> str:
        """The name below ``/etcdmeta/``."""
        return self.get("cluster") or ""

    @property
    def user(self) -> str | None:
        """Who signs in to etcd; a password that a variable holds behind a colon is cut off."""
        user = self.get("user")
        return user.partition(":")[0] if user is not None else None

    @property
    def timeout(self) -> float | None:
        """Seconds for the whole command, or None where nobody set one."""
        setting = self["timeout"]
        if setting.value is None:
            return None
        from etcdmeta.model.durations import Duration

        if setting.value.isdigit():
            raise ConfigurationInvalid(
                f"timeout {setting.value!r} ({setting.source}) has no unit",
                value=setting.value,
                remedy=f"write {setting.value}s",
            )
        seconds = Duration.parse(setting.value) / 1e9
        if seconds <= 0:
            raise ConfigurationInvalid(
                f"timeout {setting.value!r} ({setting.source}) is no time at all",
                value=setting.value,
                remedy="leave it out to wait as long as it takes",
            )
        return seconds

    def describe(self, *names: str) -> str:
        """For errors: ``endpoints a:1,b:1 (ETCDCTL_ENDPOINTS)``, one after the other; unset ones are left out."""
        told = (self._settings[name] for name in names)
        return ", ".join(f"{s.name} {self.shown(s)} ({s.source})" for s in told if s.value is not None)

    def shown(self, setting: Setting) -> str | None:
        """The value as it may be shown: never with a password."""
        return self.user if setting.name == "user" else setting.value

    def _resolve(self, kind: _Kind, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Setting:
        word = kind.name.replace("-", "_")
        candidates = [(f"flag --{kind.name}", flags.get(word)), _variable(environ, f"ETCDMETA_{word.upper()}")]
        if kind.etcdctl:
            candidates.append(_variable(environ, f"ETCDCTL_{word.upper()}"))
        candidates.append(self.file.lookup(kind.name, is_path=kind.is_path))
        candidates.append(("default", kind.default))
        found = _first(*candidates)
        if found is None:
            return Setting(kind.name, None, "not set")
        source, value = found
        if kind.allowed and value not in kind.allowed:
            raise ConfigurationInvalid(
                f"{kind.name} {value!r} ({source})", value=value, rule=f"one of: {', '.join(kind.allowed)}"
            )
        return Setting(kind.name, str(Path(value).expanduser()) if kind.is_path else value, source)

    def _refuse_password_in_flag(self) -> None:
        user = self["user"]
        if user.source.startswith("flag") and user.value is not None and ":" in user.value:
            raise ConfigurationInvalid(
                "--user holds a password behind its colon",
                value=self.user,
                rule="a password in a flag is seen by everybody who lists processes",
                remedy="set ETCDMETA_PASSWORD or password-file, or be asked",
            )


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str | None]:
    return name, environ.get(name)


def _first(*candidates: tuple[str, str | None]) -> tuple[str, str] | None:
    for source, value in candidates:
        if value:
            return source, value
    return None
