"""Which daemon a verb talks to: that of a configuration on this machine, or one at an address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from detector.web.client import Client

Config = Annotated[Path, typer.Argument(help="The configuration of the daemon, on this machine.")]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Where the daemon listens, in place of CONFIG."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="KYORI_TOKEN",
        show_envvar=True,
        help="Its token, for --url; others see a command line.",
    ),
]


def client_of(config: Path, url: str | None, token: str | None) -> Client:
    """Return the client of a daemon; asked anew after a restart, when port and token may be others.

    Raises
    ------
    KyoriError
        It does not run, or has no server.
    """
    from detector.web.client import Client  # noqa: PLC0415

    if url is not None:
        return Client(url.rstrip("/"), token or "")
    from detector.registry import load_config  # noqa: PLC0415

    return Client.of(load_config(config))
