"""Mail: what is in it, who is trusted, and what a server may answer."""

from __future__ import annotations

import dataclasses
import re
import ssl
from email import message_from_bytes

import pytest
from aiosmtpd.smtp import AuthResult
from structlog.testing import capture_logs

from connectors.sinks.smtp import SmtpOptions, compose
from detector.errors import SinkUnavailable
from tests.brokers import certificates
from tests.checks.harness_outbound import smtp
from tests.checks.sinks import HOSTILE, alert, alerts, write
from tests.receivers import mail_receiver

SECRET = "kanarienvogel-smtp"


def mail_of(*notices, **options):
    given = {"host": "h", "sender": "kyori@example.com", "to": ["ops@example.com"]}
    return compose(notices, SmtpOptions(**(given | options)))


@pytest.fixture
def server():
    with mail_receiver() as found:
        yield found


def test_a_mail_tells_of_an_alert(server):
    receiver, port = server
    sink = smtp(port, to=["ops@example.com", "night@example.com"], cc=["boss@example.com"])
    write(sink, [alert(3)])
    (mail,) = receiver.mails
    assert mail["Subject"] == f"[kyori] critical open: pumps {alert(3).key}"
    assert (mail["From"], mail["To"], mail["Cc"]) == (
        "kyori@example.com", "ops@example.com, night@example.com", "boss@example.com",
    )  # fmt: skip
    assert receiver.recipients == [["ops@example.com", "night@example.com", "boss@example.com"]]
    text = mail.get_content()
    assert "- flow 3 l/min, expected 7 ± 0.5 (100 %)" in text
    assert "time: 2023-11-14T22:13:23.000Z" in text
    assert mail["Auto-Submitted"] == "auto-generated"


def test_alerts_of_one_write_are_one_mail(server):
    receiver, port = server
    write(smtp(port), [alert(1, status="closed"), alert(2), alert(3)], [], [alert(4)])
    first, second = receiver.mails
    assert first["Subject"].endswith("(and 2 more)")
    assert "critical open" in first["Subject"]
    assert [f"id: {one.id}" in first.get_content() for one in alerts(1, 2, 3)] == [True] * 3
    assert "id: 00000004" in second.get_content()


def test_an_episode_is_one_thread_and_a_mail_sent_twice_is_the_same():
    opened, again, closed = (mail_of(alert(7, status=status)) for status in ("open", "update", "closed"))
    assert again["In-Reply-To"] == again["References"] == closed["References"] == opened["Message-ID"]
    assert len({opened["Message-ID"], again["Message-ID"], closed["Message-ID"]}) == 3
    several = mail_of(alert(7), alert(8))
    assert opened["Message-ID"] in several["References"]
    assert mail_of(alert(7), alert(8))["Message-ID"] == several["Message-ID"]
    assert mail_of(alert(7))["Message-ID"] == opened["Message-ID"]


def test_what_a_mail_refers_to_is_readable_however_long_the_domain():
    """A header that fills its line would be encoded, and no mail program would find the thread."""
    mail = mail_of(*alerts(*range(50)), sender=f"kyori@{'plant-' * 20}.example.com")
    again = message_from_bytes(mail.as_bytes())
    assert again["References"].split() == [
        mail_of(one, sender=mail["From"])["Message-ID"] for one in alerts(*range(20))
    ]
    assert "=?" not in again["Message-ID"] + again["In-Reply-To"]


def test_nothing_in_an_alert_can_add_a_header_or_end_the_mail(server):
    receiver, port = server
    texts = (
        *HOSTILE,
        "x\r\nBcc: evil@example.com",
        "\r\n.\r\nMAIL FROM:<evil@example.com>",
        "\ud83d half",
        "é" * 999,
    )
    sink = smtp(port, subject="{key} {message}")
    write(sink, *([dataclasses.replace(alert(i, text), key=text, id=text)] for i, text in enumerate(texts)))
    assert len(receiver.mails) == len(texts)
    usual = set(mail_of(alert(1)).keys()) | {"X-Peer", "X-MailFrom", "X-RcptTo"}
    assert all(set(mail.keys()) <= usual for mail in receiver.mails)
    assert all(line.isprintable() for mail in receiver.mails for line in mail.get_content().splitlines())
    assert {tuple(recipients) for recipients in receiver.recipients} == {("ops@example.com",)}
    assert all(re.fullmatch(r"<[0-9a-zA-Z]+@example.com>", mail["Message-ID"]) for mail in receiver.mails)


def test_an_answer_that_may_change_keeps_the_alerts(server):
    receiver, port = server
    receiver.answers += ["451 later", "554 never"]
    sink = smtp(port)
    sink.open(b"")
    with pytest.raises(SinkUnavailable, match="451 later"):
        sink.write(alerts(1))
    with pytest.raises(SinkUnavailable, match="554 never; it has taken no alert yet"):
        sink.write(alerts(1))
    assert sink.write(alerts(1)) == b"taken"
    assert len(receiver.mails) == 1


def test_a_mail_that_is_refused_twice_is_passed_over_and_counted(server):
    receiver, port = server
    receiver.answers += ["552 too large"] * 2
    sink = smtp(port)
    sink.open(b"taken")
    with pytest.raises(SinkUnavailable, match="552 too large; it is tried once more"):
        sink.write(alerts(1, 2))
    with capture_logs() as log:
        sink.write(alerts(1, 2))
    assert [(line["event"], line["id"]) for line in log] == [
        ("alert_refused", one.id) for one in alerts(1, 2)
    ]
    assert sink.refused == 2
    sink.write(alerts(3))
    assert len(receiver.mails) == 1


def test_an_unknown_recipient_does_not_keep_the_mail_from_the_others(server):
    receiver, port = server
    receiver.unknown = {"gone@example.com"}
    sink = smtp(port, to=["gone@example.com", "ops@example.com"])
    with capture_logs() as log:
        write(sink, alerts(1))
    assert receiver.recipients == [["ops@example.com"]]
    assert [(line["event"], line["address"]) for line in log] == [("recipient_refused", "gone@example.com")]
    with pytest.raises(SinkUnavailable, match=r"no recipient is taken: gone@example\.com: 550 no such user"):
        write(smtp(port, to=["gone@example.com"]), alerts(1))


def test_tls_and_password_are_used_and_checked(tmp_path):
    ours, other = certificates(tmp_path / "ours"), certificates(tmp_path / "other")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ours["cert"], ours["key"])
    seen = []

    def authenticator(_server, _session, _envelope, _mechanism, data):
        seen.append(data.password)
        return AuthResult(success=data.password == SECRET.encode(), handled=False)

    options = {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": authenticator,
        "auth_required": True,
    }
    with mail_receiver(**options) as (receiver, port):
        given = {"host": "localhost", "security": "starttls", "username": "u", "tls": {"ca": ours["ca"]}}
        sink = smtp(port, **given, password=SECRET)
        write(sink, alerts(1))
        assert sink.probe(5.0) is None
        with pytest.raises(SinkUnavailable, match="check username and password") as caught:
            write(smtp(port, **given, password=SECRET + "x"), alerts(1))
        assert SECRET not in str(caught.value) + repr(sink.options)
        before = len(seen)
        with pytest.raises(SinkUnavailable, match=r"TLS: .*certificate"):
            write(smtp(port, **(given | {"tls": {"ca": other["ca"]}}), password=SECRET), alerts(1))
        assert len(seen) == before  # nobody who is not known is told the password
    assert len(receiver.mails) == 1


def test_a_server_without_starttls_is_not_written_to_in_the_clear(server):
    receiver, port = server
    with pytest.raises(SinkUnavailable, match="STARTTLS"):
        write(smtp(port, security="starttls"), alerts(1))
    assert receiver.mails == []
