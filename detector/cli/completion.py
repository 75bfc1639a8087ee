"""``kyori completion``."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from detector.cli.say import say

EXAMPLES = """\
  kyori completion bash > ~/.local/share/bash-completion/completions/kyori
  kyori completion zsh > ~/.zfunc/_kyori          with fpath+=~/.zfunc before compinit in ~/.zshrc
  kyori completion fish > ~/.config/fish/completions/kyori.fish
"""

_ASKED = "_KYORI_COMPLETE"
"""Set by the script, when the shell wants to know how a line may go on."""

_ZSH = (
    "compdef _kyori_completion kyori",
    """\
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _kyori_completion "$@"
else
  compdef _kyori_completion kyori
fi""",
)
"""Zsh reads the file at the first tab. Typer's script then only says who completes, and that tab is lost."""


class Shell(StrEnum):
    """For which there is a script."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell.", show_default=False)],
) -> None:
    """Print the script with which a shell completes verbs and options of kyori."""
    from typer._completion_shared import get_completion_script  # noqa: PLC0415

    script = get_completion_script(prog_name="kyori", complete_var=_ASKED, shell=shell.value)
    say(script.replace(*_ZSH) if shell == Shell.zsh else script)


def answer_shell() -> None:
    """Be ready to answer the script of a shell, if it is that which asks."""
    if _ASKED in os.environ:
        import typer.completion  # noqa: PLC0415

        typer.completion.completion_init()  # type: ignore[attr-defined]
