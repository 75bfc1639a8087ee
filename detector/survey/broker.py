"""The broker that data comes from, and that alerts and states go back to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from connectors.mqtt.options import Connection
from connectors.tls import Tls
from detector.config.secrets import fill
from detector.errors import KyoriError
from detector.survey.quoting import in_quotes, quoted


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker, as the configuration tells of it.

    Attributes
    ----------
    url, username, ca : str
        "" where there is none.
    password : str
        Where it is, as ``${VAR}``; never the password itself.
    """

    url: str
    username: str = ""
    password: str = ""
    ca: str = ""

    def connection(self) -> Connection:
        """Return how to connect, with the password filled in; raises an error that says what is wrong."""
        given = {"url": self.url, "username": self.username or None, "password": self.password or None}
        filled, _, problems = fill(given, {}, Path())
        if problems:
            raise KyoriError(f"{problems[0].message}; {problems[0].remedy}")
        try:
            return Connection(**filled, tls=Tls(ca=Path(self.ca)) if self.ca else None)
        except ValidationError as error:
            said = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
            raise KyoriError(f"the url of the broker: {said}") from None

    def lines(self, client_id: str) -> Iterator[str]:
        """Yield the settings of a connection under this name."""
        yield "type: mqtt"
        yield f"url: {quoted(self.url)}"
        yield f"client_id: {quoted(client_id)}"
        if self.username:
            yield f"username: {quoted(self.username)}"
        if self.password:
            yield f"password: {in_quotes(self.password)}    # filled in when this file is read"
        if self.ca:
            yield f"tls: {{ca: {quoted(self.ca)}}}"


def output_lines(broker: Broker, name: str, *, home_assistant: bool) -> Iterator[str]:
    """Yield the settings of the output."""
    yield from broker.lines(f"kyori-{name}-alerts")
    yield f'topic: "kyori/{name}/{{key}}/alert"'
    yield f"status_topic: kyori/{name}/status         # retained: online, or offline"
    yield f'state_topic: "kyori/{name}/{{key}}/state"    # retained: how it stands with each key now'
    yield f"learning_topic: kyori/{name}/learning     # retained: ON, or OFF while learning is paused"
    if home_assistant:
        yield f"home_assistant: {{learn_topic: kyori/{name}/cmd/learn}}    # makes a device there by itself"
    else:
        yield "# home_assistant: {}    # makes a device there by itself"


def command_lines(broker: Broker, name: str) -> Iterator[str]:
    """Yield the settings of the commands."""
    yield from broker.lines(f"kyori-{name}-commands")
