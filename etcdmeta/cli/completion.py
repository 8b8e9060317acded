"""``etcdmeta completion``: the script that makes a shell complete our commands."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from etcdmeta.cli.frame import COMPLETE_VARIABLE, PROGRAM, lone_verb, verb
from etcdmeta.cli.session import Session
from etcdmeta.errors import InvalidInput

app = lone_verb()

_SHELLS = ("bash", "zsh", "fish")


@verb(app, "completion", epilog="bash:  source <(etcdmeta completion bash)\nfish:  etcdmeta completion fish | source")
def completion(
    ctx: typer.Context, shell: Annotated[str, typer.Argument(metavar="|".join(_SHELLS), help="Which shell.")]
) -> None:
    """Print the completion script of a shell."""
    if shell not in _SHELLS:
        raise InvalidInput(f"no completion for {shell!r}", value=shell, rule=f"one of: {', '.join(_SHELLS)}")
    script = get_completion_script(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, shell=shell)
    Session.of(ctx).output.lines([script])
