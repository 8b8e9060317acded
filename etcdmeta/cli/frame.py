"""The frame of the command line: a root that imports a noun when it is named, and options that go anywhere.

Help is typer's plain one. Its rich one imports rich on every ``--help`` and every usage error, which alone would
cost more than ``import typer`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from etcdmeta.cli.options import global_options
from etcdmeta.cli.session import Session
from etcdmeta.cli.tree import ELSEWHERE, TREE

PROGRAM = "etcdmeta"
COMPLETE_VARIABLE = "_ETCDMETA_COMPLETE"

_GLOBALS_HINT = "Global options (-o json, --endpoints, --cluster, …) go before or after the verb: etcdmeta --help."

F = TypeVar("F", bound=Callable[..., Any])


class Verb(TyperCommand):
    """A command that takes the global options besides its own; where flags collide, its own win."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its own parameters, then the global options."""
        return _with_globals(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run it, unless it was asked for a past that it has nothing to do with."""
        if isinstance(ctx.obj, Session) and ctx.obj.at_generation is not None:
            from etcdmeta.cli.past import check_past

            check_past(ctx, ctx.obj)
        return super().invoke(ctx)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  typer's signature
        """What comes below the options in the help."""
        _write_epilog(self.epilog, formatter)


class Noun(TyperGroup):
    """A group of verbs that takes the global options, too."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its own parameters, then the global options."""
        return _with_globals(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of that name; an unknown one is a usage error that names its neighbours."""
        return self.commands.get(cmd_name) or _unknown(ctx, f"{self.name} {cmd_name}", cmd_name, list(self.commands))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  typer's signature
        """What comes below the verbs in the help."""
        _write_epilog(self.epilog, formatter)


class Root(TyperGroup):
    """Knows the nouns by `TREE` alone; imports the one that is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  typer's signature
        """All nouns, in the order of the tree."""
        return [branch.name for branch in TREE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The noun of that name, imported now; an unknown one is a usage error that names its neighbours."""
        for branch in TREE:
            if branch.name == cmd_name:
                command = typer.main.get_command(import_module(branch.module).app)
                command.name = branch.name
                return command
        return _unknown(ctx, cmd_name, cmd_name, self.list_commands(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  typer's signature
        """The list of nouns, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(branch.name, branch.help) for branch in TREE])


def root() -> TyperGroup:
    """The whole command line, ready to be given its arguments."""
    app = _plain_typer(cls=Root, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(global_options)
    return typer.main.get_group(app)


def noun(name: str) -> typer.Typer:
    """The application of a noun: fill it with `verb`, and bind it to ``app`` in the module that `TREE` names."""
    app = _plain_typer(name=name, cls=Noun, no_args_is_help=True, help=_help_of(name))
    app.callback()(_nothing)  # keeps typer from folding a noun of one verb into that verb
    return app


def lone_verb() -> typer.Typer:
    """The application of a verb without noun, as ``health``: give it exactly one `verb`."""
    return _plain_typer()


def verb(app: typer.Typer, name: str, *, epilog: str | None = None) -> Callable[[F], F]:
    """Make a function a verb. Its docstring is the help; its first line stands in the noun's list."""
    return app.command(name, cls=Verb, epilog=epilog)


def _plain_typer(**more: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        suggest_commands=False,
        **more,
    )


def _nothing() -> None:
    """Stands where typer wants a callback."""


def _help_of(name: str) -> str:
    return next(branch.help for branch in TREE if branch.name == name)


@cache
def _hidden_globals() -> tuple[Any, ...]:
    """The global options once more, for nouns and verbs to take without filling their help with them."""
    template = _plain_typer()
    template.command()(global_options)
    params = typer.main.get_command(template).params
    for param in params:
        param.hidden = True  # type: ignore[attr-defined]
    return tuple(params)


def _with_globals(own: list[Any]) -> list[Any]:
    taken = {flag for param in own for flag in param.opts}
    return [*own, *(param for param in _hidden_globals() if taken.isdisjoint(param.opts))]


def _write_epilog(epilog: str | None, formatter: Any) -> None:
    formatter.write_paragraph()
    if epilog:
        formatter.write("\n".join(epilog.strip("\n").splitlines()) + "\n\n")
    formatter.write_text(_GLOBALS_HINT)


def _unknown(ctx: Any, what: str, typed: str, known: list[str]) -> Any:
    if ctx.resilient_parsing or typed.startswith("-"):
        return None
    if what in ELSEWHERE:
        return ctx.fail(f"no command {what!r}; that is `{PROGRAM} {ELSEWHERE[what]}`")
    near = get_close_matches(typed, known)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {' '.join(known)}"
    return ctx.fail(f"no command {what!r}; {hint}")
