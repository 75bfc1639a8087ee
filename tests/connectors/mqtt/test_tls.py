"""P41: who cannot prove to be the right one is refused, and nothing switches that off."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.mqtt.client import LinkError, _tls
from connectors.mqtt.options import Connection
from connectors.sinks.mqtt import MqttSink
from connectors.tls import Tls
from detector.errors import SinkUnavailable, SourceError
from tests.brokers import OPENSSL, Broker, certificates, needs_mosquitto, sign_certificate, wait_until
from tests.connectors.mqtt_help import connected, source

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="needs openssl: apt-get install openssl")

Files = dict[str, Path]


def demanding(folder: Path, files: Files, *, own: Files | None = None) -> Broker:
    """A broker with this certificate; with `own` it demands one of that authority from its clients."""
    lines = f"allow_anonymous true\ncertfile {files['cert']}\nkeyfile {files['key']}"
    if own is not None:
        lines += f"\ncafile {own['ca']}\nrequire_certificate true"
    return Broker(folder, persistent=False, lines=lines).start()


def refusal(url: str, tls: dict[str, Any]) -> str:
    """What the source says when it cannot start; the sink, which waits, must not get through either."""
    reading = source(url, tls=tls, on_start_error="fail")
    try:
        with pytest.raises(SourceError) as caught:
            for _ in range(100):
                reading.read(1, 0.1)
        assert not reading.connected
    finally:
        reading.close()
    sink = MqttSink("far", MqttSink.Options(type="mqtt", url=url, topic="alerts", client_id="out", tls=tls))
    try:
        sink.open(b"")
        assert not sink.connected
        assert sink.probe(10)
    except SinkUnavailable:
        pass
    finally:
        sink.close()
    return str(caught.value)


@pytest.fixture
def good(tmp_path: Path) -> Files:
    return certificates(tmp_path / "good")


@pytest.fixture
def broker(tmp_path: Path, good: Files) -> Iterator[Broker]:
    made = demanding(tmp_path / "broker", good)
    yield made
    made.kill()


@needs_mosquitto
def test_a_broker_of_another_authority_is_refused(broker: Broker, tmp_path: Path) -> None:
    other = certificates(tmp_path / "other")
    said = refusal(f"mqtts://localhost:{broker.port}", {"ca": other["ca"]})
    assert "certificate verify failed" in said
    assert "certificate verify failed" in refusal(f"mqtts://localhost:{broker.port}", {})


@needs_mosquitto
def test_a_certificate_for_another_host_is_refused(broker: Broker, good: Files) -> None:
    assert "certificate verify failed" in refusal(f"mqtts://127.0.0.1:{broker.port}", {"ca": good["ca"]})


@needs_mosquitto
def test_a_certificate_that_has_run_out_is_refused(tmp_path: Path) -> None:
    old = certificates(tmp_path / "old", days=-1)
    broker = demanding(tmp_path / "broker", old)
    try:
        said = refusal(f"mqtts://localhost:{broker.port}", {"ca": old["ca"]})
    finally:
        broker.kill()
    assert "certificate has expired" in said


@needs_mosquitto
def test_a_broker_that_demands_a_certificate_refuses_whoever_has_none(tmp_path: Path, good: Files) -> None:
    own = certificates(tmp_path / "own", "kyori")
    broker = demanding(tmp_path / "broker", good, own=own)
    url = f"mqtts://localhost:{broker.port}"
    mine = {"cert": own["cert"], "key": own["key"]}
    try:
        refusal(url, {"ca": good["ca"]})
        stranger = certificates(tmp_path / "stranger", "kyori")
        refusal(url, {"ca": good["ca"], "cert": stranger["cert"], "key": stranger["key"]})
        reading = connected(url, tls={"ca": good["ca"], **mine})
        assert reading.probe(10) is None
        reading.close()
    finally:
        broker.kill()


def test_tls_before_1_2_is_refused(good: Files) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(good["cert"], good["key"])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    server = socket.create_server(("127.0.0.1", 0))
    said: list[str] = []

    def serve() -> None:
        for _ in range(2):
            peer = server.accept()[0]
            try:
                context.wrap_socket(peer, server_side=True).close()
                said.append("let in")
            except OSError as error:
                said.append(str(error))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with server:
        problem = source(f"mqtts://localhost:{server.getsockname()[1]}", tls={"ca": good["ca"]}).probe(10)
    assert problem is not None
    wait_until(lambda: said)
    assert "let in" not in said


def test_no_option_switches_the_check_off(good: Files) -> None:
    assert set(Tls.model_fields) == {"ca", "cert", "key"}
    for tls in (None, Tls(), Tls(ca=good["ca"]), Tls(ca=good["ca"], cert=good["cert"], key=good["key"])):
        context = _tls(Connection(url="mqtts://h", tls=tls))
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_key_that_others_may_use_is_refused_with_the_remedy(good: Files) -> None:
    good["key"].chmod(0o604)
    with pytest.raises(LinkError, match=rf"chmod 600 {good['key']}"):
        _tls(Connection(url="mqtts://h", tls=Tls(cert=good["cert"], key=good["key"])))


def test_an_encrypted_key_is_refused_and_no_password_asked_for(good: Files) -> None:
    sign_certificate(good, "kyori")
    locked = good["key"].with_name("locked.pem")
    command = [str(OPENSSL), "ec", "-aes256", "-passout", "pass:secret", "-in", good["key"], "-out", locked]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    with pytest.raises(LinkError, match="the key is encrypted; store it decrypted"):
        _tls(Connection(url="mqtts://h", tls=Tls(cert=good["cert"], key=locked)))
