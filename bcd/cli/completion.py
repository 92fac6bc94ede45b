"""``bcd completion``: the script that lets a shell complete commands, ids and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion_command"]

_VARIABLE = "_BCD_COMPLETE"


@click.command("completion", short_help="Print the script for completion in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, *, shell: str) -> None:
    r"""Print the script that lets the SHELL complete commands, options, ids, types and routes.

    \b
    bash: eval "$(bcd completion bash)"       in ~/.bashrc
    zsh:  eval "$(bcd completion zsh)"        in ~/.zshrc, behind compinit
    fish: bcd completion fish | source        in ~/.config/fish/config.fish
    """
    script = get_completion_class(shell)
    assert script is not None  # noqa: S101 - click knows these three
    click.echo(script(context.find_root().command, {}, "bcd", _VARIABLE).source())
