"""Long output goes through the person's pager, as git's does; short output, or output to a pipe, straight out."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from etcdmeta.cli.session import Session


def page(session: Session, lines: Sequence[str]) -> None:
    """Print the lines: through ``$PAGER`` (else less, where there is one) when they are more than the screen holds.

    ``PAGER=cat``, or an empty one, pages nothing. ``$LESS`` is ``FRX`` where it is not set, as with git: leave at
    once when all fits, keep colours, leave the text on the screen.
    """
    output = session.output
    pager = session.environ.get("PAGER", "less" if shutil.which("less") else "")
    height = shutil.get_terminal_size().lines
    if not output.is_terminal or len(lines) < height or pager in ("", "cat"):
        output.lines(lines)
        return
    output.stream.flush()
    environment = {**session.environ, "LESS": session.environ.get("LESS", "FRX")}
    # The shell, as git does: $PAGER is a command line, `less -S` say, and it is the person's own.
    with subprocess.Popen(pager, shell=True, stdin=subprocess.PIPE, env=environment, text=True, encoding="utf-8",
                          errors="backslashreplace", stdout=output.stream) as process:  # fmt: skip
        assert process.stdin is not None
        try:
            process.stdin.write("\n".join(lines) + "\n")
            process.stdin.close()
        except BrokenPipeError:
            pass  # the person has seen enough
        _wait(process)


def _wait(process: subprocess.Popen[str]) -> None:
    """Ctrl-C is the pager's while it runs: less stops a search with it."""
    while True:
        try:
            process.wait()
            return
        except KeyboardInterrupt:
            continue
