"""Alerts by e-mail, over SMTP: the alerts of one write are one mail.

A mail's Message-ID follows from the alerts in it, so that one sent twice is seen to be the same. What follows
of an episode refers to the mail that told of its opening, and mail programs show them together.
"""

from __future__ import annotations

import contextlib
import email.policy
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import blake2b
from typing import Annotated, Literal

import structlog
from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from connectors import tls
from connectors.options import Duration
from connectors.sinks.choice import Choice
from connectors.sinks.refusals import Refusals
from connectors.sinks.text import details, printable, shorten, title
from connectors.tls import Tls
from detector.contracts import Alert
from detector.errors import SinkUnavailable

log = structlog.get_logger()

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_PLACES = re.compile(r"\{([^{}]*)\}")
_FIELDS = ("severity", "status", "kind", "pipeline", "key", "message")
_TAKEN = b"taken"
_REFERENCES = 20


def _address(text: str) -> str:
    if not re.fullmatch(r"[!#-'*+\-./0-9=?A-Z^-~]{1,64}@[0-9A-Za-z.\-]{1,255}", text):
        raise ValueError("not an address; write it alone and in ASCII, as kyori@example.com")
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z._:-]+", text):
        raise ValueError("not the name of a host; write it alone, the port as port")
    return text


Address = Annotated[str, AfterValidator(_address)]


class SmtpOptions(Choice):
    """The mail server, and who gets the mail."""

    type: Literal["smtp"] = "smtp"
    host: Annotated[str, AfterValidator(_host)] = Field(description="the mail server")
    port: int | None = Field(
        default=None,
        gt=0,
        lt=65536,
        description="its port; default: 587 with starttls, 465 with tls, else 25",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="starttls, tls from the first byte, or none: in the clear"
    )
    tls: Tls | None = Field(default=None, description="certificates, for starttls and tls")
    username: str | None = Field(default=None, description="user at the server, if it wants one")
    password: SecretStr | None = Field(
        default=None, description="its password; write ${file:/path} or ${VAR}"
    )
    sender: Address = Field(description="address that the mail comes from, as kyori@example.com")
    to: tuple[Address, ...] = Field(min_length=1, max_length=50, description="addresses of the receivers")
    cc: tuple[Address, ...] = Field(default=(), max_length=50, description="addresses that get a copy")
    subject: str = Field(
        default="[kyori] {severity} {status}: {pipeline} {key}",
        max_length=200,
        description="{severity} {status} {kind} {pipeline} {key} {message} are filled in",
    )
    timeout: Duration = Field(
        default=30.0, ge=0.1, le=300, description="how long to wait for the server before trying again"
    )

    @field_validator("subject")
    @classmethod
    def _usable_subject(cls, subject: str) -> str:
        rest = _PLACES.sub("", subject)
        unknown = [name for name in _PLACES.findall(subject) if name not in _FIELDS]
        if unknown or "{" in rest or "}" in rest:
            raise ValueError(f"only these may stand in braces: {', '.join(_FIELDS)}")
        if not subject.isprintable() or not subject.strip():
            raise ValueError("a subject is one printable line")
        return subject

    @model_validator(mode="after")
    def _agrees(self) -> SmtpOptions:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; give both or neither")
        if not f"{self.username}{self.password and self.password.get_secret_value()}".isascii():
            raise ValueError("username and password must be ASCII, as SMTP takes no other")
        if self.security == "none" and self.tls is not None:
            raise ValueError("tls is given, but security is none; write security: starttls or tls")
        if self.security == "none" and self.password is not None and not tls.is_loopback(self.host):
            raise ValueError("the password would be sent in the clear; write security: starttls or tls")
        return self


class SmtpSink:
    """See the module's description; `detector.contracts.Sink` tells what the methods promise."""

    Options = SmtpOptions
    at_once = 50

    def __init__(self, name: str, options: SmtpOptions) -> None:
        self.name = name
        self.options = options
        self._taken = False
        self._refusals = Refusals(name)

    @property
    def refused(self) -> int:
        """How many alerts the server will never take."""
        return self._refusals.count

    def wants(self, alert: Alert) -> bool:
        """Return whether to tell of it."""
        return self.options.wants(alert)

    def open(self, resume: bytes) -> None:
        """Take up whether the server has ever taken a mail; each mail connects by itself."""
        self._taken = resume == _TAKEN

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Send one mail, and return when the server has taken it."""
        if alerts:
            try:
                self._send(compose(alerts, self.options))
                self._taken = True
            except smtplib.SMTPDataError as error:
                if error.smtp_code < 500:
                    raise self._unavailable(error) from None
                self._refusals.note(alerts, self._explained(error), taken=self._taken)
            except (smtplib.SMTPException, OSError, ValueError) as error:
                raise self._unavailable(error) from None
        return _TAKEN if self._taken else b""

    def close(self) -> None:
        """Nothing is kept open between mails."""

    def probe(self, timeout_s: float) -> str | None:
        """Connect and log in, and send nothing; return what is wrong, or None."""
        try:
            _quit(self._connect(timeout_s))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return self._explained(error)
        return None

    def _send(self, mail: EmailMessage) -> None:
        options = self.options
        server = self._connect(options.timeout)
        try:
            refused = server.send_message(mail, options.sender, [*options.to, *options.cc])
        finally:
            _quit(server)
        for address, (code, said) in refused.items():
            reason = printable(said.decode("utf-8", "replace"))
            log.warning("recipient_refused", sink=self.name, address=address, error=f"{code} {reason}")

    def _connect(self, timeout_s: float) -> smtplib.SMTP:
        options = self.options
        port = options.port or _PORTS[options.security]
        us = re.sub(r"[^0-9A-Za-z.-]", "-", socket.gethostname()) or "localhost"
        if options.security == "tls":
            context = tls.context(options.tls)
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                options.host, port, us, timeout=timeout_s, context=context
            )
        else:
            server = smtplib.SMTP(options.host, port, us, timeout=timeout_s)
        try:
            if options.security == "starttls":
                server.starttls(context=tls.context(options.tls))
            if options.username is not None and options.password is not None:
                server.login(options.username, options.password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server

    def _unavailable(self, error: Exception) -> SinkUnavailable:
        return SinkUnavailable(f"sink {self.name}: {self._explained(error)}")

    def _explained(self, error: Exception) -> str:
        options = self.options
        text = f"{options.host}: {_why(error)}"
        if options.password is not None:
            text = text.replace(options.password.get_secret_value(), "***")
        return shorten(printable(text), 400)


def compose(alerts: Sequence[Alert], options: SmtpOptions) -> EmailMessage:
    """Return the mail that tells of these alerts."""
    # Cut, for a reference that fills its line would be encoded, and nobody would know it again.
    domain = options.sender.rpartition("@")[2][-40:].strip(".-")
    episodes = list(dict.fromkeys(f"<{_local(alert.id)}@{domain}>" for alert in alerts))
    opening = len(alerts) == 1 and alerts[0].status == "open"
    names = "\n".join(f"{alert.id}.{alert.status}.{alert.record}" for alert in alerts)
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = options.sender
    mail["To"] = ", ".join(options.to)
    if options.cc:
        mail["Cc"] = ", ".join(options.cc)
    mail["Subject"] = _subject(alerts, options.subject)
    mail["Date"] = formatdate()
    mail["Message-ID"] = episodes[0] if opening else f"<{_hash(names)}@{domain}>"
    if not opening:
        mail["In-Reply-To"] = episodes[0]
        mail["References"] = " ".join(episodes[:_REFERENCES])
    mail["Auto-Submitted"] = "auto-generated"  # so that no absence note answers
    parts = (f"{title(alert)}\n{shorten(details(alert), 5000)}\n" for alert in alerts)
    mail.set_content("\n".join(parts), cte="quoted-printable")
    return mail


def _subject(alerts: Sequence[Alert], template: str) -> str:
    """Return the subject of the worst alert, and how many more there are; always one line."""
    worst = max(alerts, key=lambda alert: (alert.status != "closed", alert.severity == "critical"))
    text = _PLACES.sub(lambda place: printable(str(getattr(worst, place[1]))), template)
    more = f" (and {len(alerts) - 1} more)" if len(alerts) > 1 else ""
    return shorten(text.strip(), 180) + more


def _local(name: str) -> str:
    return name if re.fullmatch(r"[0-9A-Za-z]{1,64}", name) else _hash(name)


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _quit(server: smtplib.SMTP) -> None:
    with contextlib.suppress(smtplib.SMTPException, OSError):  # what was taken, is
        server.quit()


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"{error.smtp_code}: it does not let us log in; check username and password"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = "; ".join(
            f"{address}: {code} {_said(text)}" for address, (code, text) in error.recipients.items()
        )
        return f"no recipient is taken: {said}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_said(error.smtp_error)}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error}; check the certificates, and tls"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _said(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
