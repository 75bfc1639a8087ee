"""Harnesses of the sinks that send alerts to people: real servers on loopback, as strict as the real ones."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from connectors.sinks import load
from tests.brokers import wait_until
from tests.checks.sinks import Harness, Medium, alert
from tests.checks.webhook_formats import RFC5424, strictly
from tests.receivers import http_receiver, mail_receiver, syslog_receiver

OF_FORMAT: dict[str, dict[str, Any]] = {
    "alertmanager": {"resend": "1m"},
    "pagerduty": {"routing_key": "0123456789abcdefghijklmnopqrstuv"},
    "ntfy": {"topic": "plant-a"},
}

_ENDS = re.compile(r', "endsAt": "[^"]*"')


def make(kind: str, **options: Any) -> Any:
    cls = load(kind)
    return cls("s", cls.Options(**options))


def webhook(form: str, url: str, **options: Any) -> Any:
    path = "/api/v2/alerts" if form == "alertmanager" else ""
    return make("webhook", url=url + path, format=form, **(OF_FORMAT.get(form, {}) | options))


def of_webhook(form: str) -> Harness:
    @contextmanager
    def medium(_directory: Path) -> Iterator[Medium]:
        with http_receiver(strictly(form)) as (receiver, url):
            # An end that lies ahead is told by the wall clock: it differs from one sending to the next.
            yield Medium(
                lambda: webhook(form, url), lambda: [_ENDS.sub("", body) for body in receiver.bodies]
            )
            assert receiver.refused == []

    return Harness("webhook", medium, lambda _: webhook(form, "http://127.0.0.1:1"), json=form == "json")


def of_syslog(scheme: str) -> Harness:
    @contextmanager
    def medium(directory: Path) -> Iterator[Medium]:
        directory.mkdir(exist_ok=True)
        with syslog_receiver(scheme, directory) as (receiver, url):

            def lines() -> list[str]:
                end = make("syslog", url=url)
                end.open(b"")
                end.write([alert(999_999, "the end")])
                end.close()
                wait_until(lambda: any("the end" in message for message in receiver.messages))
                assert receiver.faults == []
                found = [text for text in receiver.messages if "the end" not in text]
                assert all(map(RFC5424.fullmatch, found))
                return [text.replace("\ufeff", "") for text in found]

            yield Medium(lambda: make("syslog", url=url), lines)

    broken = None if scheme == "udp" else _no_syslog(scheme)
    return Harness("syslog", medium, broken, json=False)


def _no_syslog(scheme: str) -> Any:
    return lambda directory: make(
        "syslog", url=f"unix://{directory}/none" if scheme == "unix" else "tcp://127.0.0.1:1"
    )


@contextmanager
def _smtp(_directory: Path) -> Iterator[Medium]:
    with mail_receiver() as (receiver, port):

        def lines() -> list[str]:
            bodies = ["\n".join(mail.get_content().splitlines()).split("\n\n") for mail in receiver.mails]
            return [part.replace("\n", " | ") for body in bodies for part in body]

        yield Medium(lambda: smtp(port), lines)


def smtp(port: int, **options: Any) -> Any:
    given = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "kyori@example.com"}
    return make("smtp", **(given | {"to": ["ops@example.com"]} | options))


@contextmanager
def _sqlite(directory: Path) -> Iterator[Medium]:
    path = directory / "new" / "history.db"

    def lines() -> list[str]:
        with closing(sqlite3.connect(path)) as reader:
            return [row[0] for row in reader.execute("SELECT alert FROM alerts ORDER BY number")]

    yield Medium(lambda: make("sqlite", path=path), lines)


def _no_sqlite(directory: Path) -> Any:
    (directory / "file").write_text("")
    return make("sqlite", path=directory / "file" / "history.db")


@contextmanager
def _apprise(_directory: Path) -> Iterator[Medium]:
    with http_receiver() as (receiver, url):
        address = url.replace("http://", "json://") + "/"
        yield Medium(lambda: make("apprise", url=address), lambda: receiver.bodies)


OUTBOUND = {
    **{f"webhook-{form}": of_webhook(form) for form in ("json", "cloudevents", "slack", "ntfy")},
    **{f"webhook-{form}": of_webhook(form) for form in ("alertmanager", "pagerduty")},
    **{f"syslog-{scheme}": of_syslog(scheme) for scheme in ("udp", "tcp", "unix")},
    "smtp": Harness("smtp", _smtp, lambda _: smtp(1), json=False),
    "sqlite": Harness("sqlite", _sqlite, _no_sqlite, resumes=True),
    "apprise": Harness("apprise", _apprise, lambda _: make("apprise", url="json://127.0.0.1:1/"), json=False),
}
