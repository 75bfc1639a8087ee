"""`server:` is checked with the rest of the file: each error names its line, and what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detector.config.load import load_text
from detector.config.models import Config
from detector.errors import ConfigError
from detector.registry import DISTANCES, check_shared, sink_options, source_options
from tests.brokers import OPENSSL, certificates

HEAD = """\
version: 1
pipelines: {p: {sources: [s], outputs: [o], record: {features: [a]}}}
sources: {s: SOURCE}
outputs: {o: {type: stdout}}
"""
TOKEN = "0123456789abcdef"


def load(server: str, base: Path | None = None, source: str = "{type: stdin}", **environ: str) -> Config:
    text = HEAD.replace("SOURCE", source) + server
    return load_text(text, "c.yaml", source_options(), sink_options(), DISTANCES, base, environ)


def problem(server: str, base: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(server, base)
    (line,) = str(caught.value).splitlines()
    return line


def test_none_is_served_unless_it_is_asked_for() -> None:
    assert load("").server is None
    server = load("server: {}").server
    assert server is not None
    assert (server.host, server.port, server.page, server.metrics) == ("127.0.0.1", 8480, True, True)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("localhost:0", "localhost", 0), ("'[::1]:8480'", "::1", 8480), ("127.8.8.8:65535", "127.8.8.8", 65535)],
)
def test_loopback_needs_no_token(listen: str, host: str, port: int) -> None:
    server = load(f"server: {{listen: {listen}}}").server
    assert server is not None
    assert (server.host, server.port) == (host, port)


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "'[::]:80'", "kyori.example:80", "10.0.0.1:80"])
def test_elsewhere_a_token_is_needed(listen: str) -> None:
    said = problem(f"server:\n  listen: {listen}")
    assert said.startswith("c.yaml:5: server: whoever reaches")
    assert "give a token, or listen on 127.0.0.1:80" in said
    assert load(f"server: {{listen: {listen}, token: {TOKEN}}}").server is not None


@pytest.mark.parametrize(
    ("server", "line", "said"),
    [
        ("server:\n  listen: 127.0.0.1:70000", 6, "server.listen: '127.0.0.1:70000' is not an address"),
        ("server:\n  listen: '8480'", 6, "write HOST:PORT, as 127.0.0.1:8480"),
        ("server:\n  listen: http://localhost:8480", 6, "is not an address"),
        ("server:\n  listen: '::1:8480'", 6, "[::1]:8480"),
        ("server:\n  token: short", 6, "openssl rand -hex 32"),
        ("server:\n  token: ''", 6, "shorter than 16"),
        ("server:\n  token: 'sixteen letters with blanks'", 6, "no header can carry"),
        ("server:\n  page: true\n  hosts: ['https://kyori.example/']", 7, "without scheme, port and path"),
        ("server:\n  metrics: yes please", 6, "must be true or false"),
        ("server:\n  lisen: 127.0.0.1:8480", 6, "did you mean 'listen'?"),
        ("server:\n  tls: {cert: nothing.pem}", 6, "server.tls.key: is missing"),
        ("server:\n  tls: {cert: no.pem, key: no.pem}", 6, "the certificate cannot be used"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(server: str, line: int, said: str) -> None:
    found = problem(server)
    assert found.startswith(f"c.yaml:{line}: server")
    assert said in found


@pytest.mark.parametrize(
    "server", ["{token: kanarie-vogel!}", "{token: '${T}'}", "{token: '${T}', hosts: 3}"]
)
def test_a_token_is_never_shown(server: str) -> None:
    canary = "kanarie-vogel!"
    with pytest.raises(ConfigError) as caught:
        load(f"server: {server}", T=canary)
    assert canary not in str(caught.value)
    config = load(f"server: {{token: {canary}{canary}}}")
    assert canary not in repr(config) + repr(config.server) + str(config.redacted)


def test_a_source_cannot_listen_at_the_same_address() -> None:
    config = load("server: {listen: 127.0.0.1:8086}", source="{type: http, port: 8086}")
    with pytest.raises(ConfigError, match=r"the address 127.0.0.1:8086: used by sources.s"):
        check_shared(config)


@pytest.mark.skipif(OPENSSL is None, reason="needs openssl: apt-get install openssl")
def test_a_certificate_is_tried(tmp_path: Path) -> None:
    made = certificates(tmp_path / "tls")
    other = certificates(tmp_path / "other")
    tls: Any = load("server: {tls: {cert: tls/cert.pem, key: tls/key.pem}}", tmp_path).server
    assert tls.tls.cert == made["cert"]
    assert "belong together" in problem(
        f"server: {{tls: {{cert: tls/cert.pem, key: {other['key']}}}}}", tmp_path
    )
    made["key"].chmod(0o604)
    assert f"chmod 600 {made['key']}" in problem(
        "server: {tls: {cert: tls/cert.pem, key: tls/key.pem}}", tmp_path
    )
