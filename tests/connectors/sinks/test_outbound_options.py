"""What `kyori validate` says of outputs that tell people: the setting, the remedy, and never a secret."""

from __future__ import annotations

import pytest

from detector.config.load import load_text
from detector.errors import ConfigError, SinkUnavailable
from detector.registry import DISTANCES, sink_options, source_options
from tests.checks.harness_outbound import make
from tests.checks.sinks import alerts

CANARY = "kanarienvogel9c41f0kanarienvogel"
FILE = """\
version: 1
pipelines:
  p: {sources: [in], outputs: [out], record: {features: [a]}}
sources:
  in: {type: stdin}
outputs:
  out: {%s}
"""


def load(output):
    return load_text(
        FILE % output, "c.yaml", source_options(), sink_options(), DISTANCES, environ={"CANARY": CANARY}
    )


RIGHT = (
    "type: webhook, url: 'https://hooks.example.com/${CANARY}', format: slack, on: [open], from: critical",
    "type: webhook, url: 'http://am/api/v2/alerts', format: alertmanager, labels: {site: a}, resend: 30s",
    "type: webhook, url: 'https://pd.example/v2/enqueue', format: pagerduty, routing_key: '${CANARY}'",
    "type: webhook, url: 'https://ntfy.sh', format: ntfy, topic: '${CANARY}', token: '${CANARY}'",
    "type: webhook, url: 'http://h', headers: {X-Key: '${CANARY}'}, method: PUT, timeout: 2s",
    "type: webhook, url: 'http://127.0.0.1', username: u, password: '${CANARY}'",
    "type: syslog",
    "type: syslog, url: 'tls://h:6514', tls: {ca: ca.pem}, facility: local0",
    "type: smtp, host: h, sender: k@example.com, to: [o@example.com], username: u, password: '${CANARY}'",
    "type: smtp, host: h, sender: k@example.com, to: [o@example.com], subject: '{severity} {key}'",
    "type: sqlite, path: a.db, keep: 365d",
    "type: apprise, url: 'json://127.0.0.1/${CANARY}'",
)


@pytest.mark.parametrize("output", RIGHT)
def test_right(output):
    assert CANARY not in repr(load(output))


def test_a_header_is_a_secret():
    config = load("type: webhook, url: 'http://h/x', headers: {X-Key: plain-secret}")
    assert config.redacted["outputs"]["out"] == {"type": "webhook", "url": "***", "headers": {"X-Key": "***"}}
    with pytest.raises(ConfigError) as caught:
        load("type: webhook, url: 'http://h/x', headers: {X-Key: 12345678}")
    assert "12345678" not in str(caught.value)


NOWHERE = {
    "webhook": {"url": "http://a..b/"},
    "syslog": {"url": "tcp://a..b"},
    "smtp": {"host": "a..b", "sender": "k@b", "to": ["o@b"]},
}


@pytest.mark.parametrize("kind", NOWHERE)
def test_a_name_that_no_host_can_have_breaks_nothing(kind):
    sink = make(kind, **NOWHERE[kind])
    sink.open(b"")
    with pytest.raises(SinkUnavailable, match=r"a\.\.b"):
        sink.write(alerts(1))
    assert "a..b" in sink.probe(1.0)


HOOK = "type: webhook, url: 'https://h/x'"
PAGER = "type: webhook, url: 'https://h/x', format: pagerduty"
MAIL = "type: smtp, host: h, sender: k@example.com, to: [o@example.com]"
WRONG = (
    ("type: webhook, url: 'ftp://h/${CANARY}'", "out.url", "write https://host/path"),
    ("type: webhook, url: 'https://u:${CANARY}@h'", "out.url", "write them as username and password"),
    ("type: webhook, url: 'https://h/ü${CANARY}'", "out.url", "%XX"),
    ("type: webhook", "out.url", "add it"),
    (f"{HOOK}, format: teams", "out.format", "json"),
    (f"{HOOK}, on: []", "out.on", ""),
    (f"{HOOK}, on: [opened]", "out.on[0]", "open"),
    (f"{HOOK}, from: error", "out.from", "critical"),
    (f"{HOOK}, headers: {{Host: '${{CANARY}}'}}", "out.headers", "leave it out"),
    (f'{HOOK}, headers: {{X-A: "a\\r\\n${{CANARY}}"}}', "out.headers", "one line"),
    (f"{HOOK}, token: '${{CANARY}} x'", "out.token", "without spaces"),
    (f"{HOOK}, token: '${{CANARY}}', username: u, password: p", "out", "give one of them"),
    (f"{HOOK}, username: u", "out", "give both or neither"),
    (f"{HOOK}, routing_key: '${{CANARY}}'", "out", "no other format takes it"),
    (f"{HOOK}, resend: 5m", "out", "leave them out"),
    (f"{HOOK}, labels: {{a: b}}", "out", "leave them out"),
    (f"{HOOK}, format: ntfy", "out", "ntfy needs it"),
    (f"{HOOK}, format: ntfy, topic: a", "out", "write the topic as topic"),
    (f"{HOOK}, format: alertmanager", "out", "/api/v2/alerts"),
    (f"{HOOK}/api/v2/alerts, format: alertmanager".replace("x'/api/v2/alerts", "api/v2/alerts'")
     + ", labels: {key: a}", "out.labels", "letters, digits and _"),
    (f"{PAGER}, routing_key: '${{CANARY}}0'", "out.routing_key", "copy it"),
    (f"{PAGER}, routing_key: '${{CANARY}}', on: [open]", "out", "add them"),
    ("type: webhook, url: 'http://h', token: '${CANARY}'", "out", "https://"),
    ("type: webhook, url: 'http://h', tls: {ca: a}", "out", "write https://host/path"),
    ("type: syslog, url: 'udp://h/x'", "out.url", "unix:///dev/log"),
    ("type: syslog, url: 'unix://log'", "out.url", "unix:///dev/log"),
    ("type: syslog, url: 'udp://h', tls: {ca: a}", "out", "write tls://host:6514"),
    ("type: syslog, facility: kern", "out.facility", "daemon"),
    (f"{MAIL}, security: none, username: u, password: '${{CANARY}}'", "out", "security: starttls or tls"),
    (f"{MAIL}, security: none, tls: {{ca: a}}", "out", "security: starttls or tls"),
    (f"{MAIL}, password: '${{CANARY}}'", "out", "give both or neither"),
    (f"{MAIL}, username: ü, password: '${{CANARY}}'", "out", "no other"),
    (f"{MAIL}, subject: '{{key.__class__}}'", "out.subject", "severity"),
    (f'{MAIL}, subject: "a\\nBcc: x"', "out.subject", "one printable line"),
    ("type: smtp, host: 'h:25', sender: k@example.com, to: []", "out.to", ""),
    ("type: smtp, host: h/x, sender: k@example.com, to: [a@b]", "out.host", "the port as port"),
    ("type: smtp, host: h, sender: 'K <k@example.com>', to: [a@b]", "out.sender", "write it alone"),
    ('type: smtp, host: h, sender: k@example.com, to: ["a@b\\nc"]', "out.to[0]", "write it alone"),
    ("type: sqlite", "out.path", "add it"),
    ("type: sqlite, path: a, keep: 365", "out.keep", "7d"),
    ("type: apprise, url: 'none://${CANARY}'", "out.url", "for the service"),
)  # fmt: skip


@pytest.mark.parametrize(("output", "place", "remedy"), WRONG, ids=[one[0][:60] for one in WRONG])
def test_wrong(output, place, remedy):
    with pytest.raises(ConfigError) as caught:
        load(output)
    problems = {problem.path: f"{problem.message} ({problem.remedy})" for problem in caught.value.problems}
    assert remedy in problems[f"outputs.{place}"]
    assert CANARY not in str(caught.value)
    assert all(problem.line == 7 for problem in caught.value.problems)
