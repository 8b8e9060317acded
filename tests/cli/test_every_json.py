"""``-o json`` of every command is as its published schema says: the lines of README's "Every command", once more."""

from __future__ import annotations

import shlex

import pytest

from tests.cli.conftest import Cli
from tests.test_readme import NOT_RUN, VERBS, every_command, named, typist  # noqa: F401  a fixture, by name

NO_ENVELOPE = {"completion", "check", "watch"}
"""A script for a shell, a monitoring plugin's line, and one object a change, which has a test of its own."""


@pytest.mark.usefixtures("typist")  # the files that the lines name
def test_every_command(prod: Cli, etcd_prefix: str) -> None:
    valid = set()
    for typed in every_command():
        line = typed.replace("--cluster again", f"--cluster {etcd_prefix}-again")  # README's own test makes that one
        words = shlex.split(line, comments=True)[1:]
        if (name := named(words)) in NOT_RUN:
            continue
        ran = prod(*words, "-o", "json")
        assert ran.code in (0, 10), f"$ {line}\n{ran.out}\n{ran.err}"
        if name not in NO_ENVELOPE:
            assert ran.json["kind"], line
            valid.add(name)
    assert set(VERBS) - valid == NOT_RUN | NO_ENVELOPE
