"""Patterns of certificate names, as in TLS: ``*`` stands for something within one label, never for a dot."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from etcdmeta.errors import ConfigurationInvalid

EVERYBODY = "*"
"""The pattern that is a star alone: whoever gets a connection. With a client authority that is whoever it signed; TLS
without one knows nobody, and it is everybody indeed."""

_RULE = (
    "a pattern is a name whose * stands for one or more characters of one label (none of . / : @), "
    "as *.db.example or node-*.db.example; * alone is everybody"
)
_WITHIN_A_LABEL = "[^./:@]+"


@dataclass(frozen=True, slots=True)
class NamePattern:
    """One pattern. Names are compared as a whole and without regard to case, as DNS does (RFC 4343).

    ``*.db.example`` takes ``a.db.example``, and neither ``db.example`` nor ``a.b.db.example`` (RFC 6125, 6.4.3). No
    other character is special. Names of URIs and mail addresses are compared in the same way.
    """

    text: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ConfigurationInvalid for what cannot be a pattern."""
        if not self.text or "**" in self.text or not self.text.isprintable() or set(self.text) & set(" ,"):
            raise ConfigurationInvalid(
                f"{self.text!r} is no pattern of certificate names",
                value=self.text,
                rule=_RULE,
                remedy="write several patterns with commas between them",
            )
        expression = _WITHIN_A_LABEL.join(re.escape(part) for part in self.text.split("*"))
        object.__setattr__(self, "_expression", re.compile(expression, re.IGNORECASE))

    def __str__(self) -> str:
        return self.text

    def matches(self, name: str) -> bool:
        """Whether the whole name is one that the pattern means; for `EVERYBODY` any name is."""
        return self.text == EVERYBODY or self._expression.fullmatch(name) is not None
