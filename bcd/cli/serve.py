"""``bcd serve``: the snapshots in a browser, and as JSON."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bcd.cli._folder import folder_option
from bcd.cli._index import index, options_for, store_option
from bcd.cli._output import print_message
from bcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.viewer.access import Access

__all__ = ["serve_command"]

_PORT = 8432
_SHORTEST_TOKEN = 16
_LONGEST_TOKEN = 1024
_EXTRA = ("starlette", "uvicorn", "jinja2", "markupsafe", "anyio", "h11")


@click.command("serve", short_help="Serve the snapshots as pages and as JSON.")
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", help="[default: 127.0.0.1, this machine]"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="0 takes one that is free.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    help="Readers have to show the token in this file.  [default: the token in $BCD_TOKEN]",
)
@click.option("--open", "open_it", is_flag=True, help="Open it in a browser.")
@store_option
@folder_option
def serve_command(  # noqa: PLR0913 - one for each option
    *,
    folder: str | None,
    store: str | None,
    host: str,
    port: int,
    token_file: str | None,
    open_it: bool,
) -> None:
    """Serve the snapshots as pages and as JSON, to be read only, until a signal comes.

    Whoever has an account on this machine can read them then; a token prevents that. An address
    that others reach needs one. What is served is not encrypted: outside of a private network put
    a proxy with TLS before it.
    """
    with _installed():
        from bcd.viewer.application import application  # what it needs is in an extra
        from bcd.viewer.server import address_of, listen, serve
    access = _access(host, _token(token_file))
    with listen(host, port) as listener:
        opened = index(folder, store)
        address = address_of(listener)

        def started() -> None:
            print_message(f"serving at {address} until Ctrl+C")
            if open_it:
                _open(address)

        serve(application(opened, access, place=options_for(folder, store)), listener, started)


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        install = f"{sys.executable} -m pip install 'bcd[viewer]'"
        raise ConfigError(
            f"bcd serve needs {error.name}, which is missing; run {install}"
        ) from None


def _token(file: str | None) -> str | None:
    """Read the token that readers have to show.

    Raises:
        ConfigError: The file cannot be read, or holds no good one.
    """
    if file is None:
        token, place = os.environ.get("BCD_TOKEN", "").strip(), "BCD_TOKEN"
        if not token:
            return None
    else:
        token, place = _content(file), file
    if not _SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN or not _is_plain(token):
        raise ConfigError(
            f"the token in {place} has to be {_SHORTEST_TOKEN} to {_LONGEST_TOKEN} visible "
            f"characters of ASCII; a good one is {_new_token()}"
        )
    return token


def _content(file: str) -> str:
    try:
        with open(file, "rb") as stream:  # noqa: PTH123 - a path with a zero byte is an error here
            return stream.read(_LONGEST_TOKEN + 2).decode("ascii", "replace").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"the token file {file} cannot be read: {reason}") from None


def _is_plain(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _access(host: str, token: str | None) -> Access:
    """Say who may read.

    Raises:
        ConfigError: Others could, and no token keeps them out.
    """
    from bcd.viewer.access import LOOPBACK_NAMES, Access  # as above
    from bcd.viewer.server import is_loopback

    if token is not None:
        return Access(token=token, hosts=None)
    if not is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines, so readers need a token: put one into "
            f"BCD_TOKEN or into a file for --token-file; here is a new one: {_new_token()}"
        )
    return Access(token=None, hosts=LOOPBACK_NAMES | {host.lower(), f"[{host.lower()}]"})


def _new_token() -> str:
    import secrets  # for these messages alone

    return secrets.token_urlsafe(24)


def _open(address: str) -> None:
    import webbrowser  # for this option alone

    if not webbrowser.open(address):
        print_message(f"no browser was found: open {address} in one")
