"""Messages that wait at a broker: received and acknowledged, and arrays of records.

All at QoS 1 with MQTT 5, from Mosquitto, which works in a process of its own and does not count.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from structlog.testing import capture_logs

from benchmarks.speed.compare import Effort, Row, rates
from connectors.mqtt.client import connect_options
from connectors.mqtt.link import Link
from connectors.mqtt.source_options import MqttSourceOptions
from connectors.sources.mqtt import MqttSource
from detector.contracts import Layout
from tests.brokers import HINT, MOSQUITTO, Broker, wait_until

ARRAY = 100
_WINDOW = 1000
_KEPT_S = 86_400
_LAYOUT = Layout(tuple(f"f{j}" for j in range(5)), time="time")


def measure(effort: Effort) -> Iterator[Row]:
    """Yield the rows."""
    if MOSQUITTO is None:
        raise SystemExit(HINT)
    with capture_logs():  # of each connection
        rows = [_receive(effort), _arrays(effort)]
    yield from rows


def _receive(effort: Effort) -> Row:
    n = effort.records(20_000)
    receivers: dict[str, Receiver] = {"link": by_link, "paho": by_paho, "source": by_source}
    with waiting(records(n), list(receivers), effort.rounds + 1) as turns:
        took = rates({name: (n, turns(name, of)) for name, of in receivers.items()}, effort.rounds)
    cost = {name: 1e6 / rate for name, rate in took.items()}
    return Row(
        "MQTT receive, QoS 1",
        "us/message",
        cost["link"],
        cost["paho"],
        "paho loop_forever, manual ack",
        0.65,
        at_most=True,
        beside=f"the source, which hashes, remembers and decodes them: {cost['source']:.1f}",
    )


def _arrays(effort: Effort) -> Row:
    many, few = effort.records(200_000) // ARRAY * ARRAY, effort.records(20_000)
    lines = records(many)
    arrays = [f"[{','.join(lines[at : at + ARRAY])}]" for at in range(0, many, ARRAY)]
    turns = effort.rounds + 1
    with (
        waiting(arrays, ["arrays"], turns) as of_arrays,
        waiting(records(few), ["singles"], turns) as of_singles,
    ):
        rate = rates(
            {
                "arrays": (many, of_arrays("arrays", by_source)),
                "singles": (few, of_singles("singles", by_source)),
            },
            effort.rounds,
        )
    return Row(
        f"MQTT arrays of {ARRAY}",
        "records/s",
        rate["arrays"],
        rate["singles"],
        "one record a message",
        10.0,
    )


# --- what waits

Receiver = Callable[[MqttSourceOptions, int], object]
"""Receives so many messages under these options, acknowledges them, and disconnects."""


def records(n: int) -> list[str]:
    """Return n records of five fields and a time, as JSON."""
    return [
        json.dumps({"time": 1.6e9 + i, **{f"f{j}": round(1.37 * i % (17 + j), 3) for j in range(5)}})
        for i in range(n)
    ]


@contextlib.contextmanager
def waiting(
    payloads: Sequence[str], names: Sequence[str], turns: int
) -> Iterator[Callable[[str, Receiver], Callable[[], object]]]:
    """Have all payloads wait for each of these in each turn; give what makes the next turn's call."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "broker", persistent=False).start()
        try:
            sessions = {
                name: [_subscribed(broker, f"{name}-{turn}") for turn in range(turns)] for name in names
            }
            broker.publish("bench", *payloads)

            def turns_of(name: str, receive: Receiver) -> Callable[[], object]:
                left = iter(sessions[name])
                return lambda: receive(next(left), len(payloads))

            yield turns_of
        finally:
            broker.kill()


def _subscribed(broker: Broker, client_id: str) -> MqttSourceOptions:
    """Return the options of a client whose messages the broker keeps from now on."""
    options = MqttSourceOptions(
        url=broker.url, client_id=client_id, topics={"bench": 1}, max_inflight=_WINDOW
    )
    source = MqttSource("bench", options, _LAYOUT)
    source.open(b"")
    wait_until(lambda: source.connected)
    source.close()
    return options


# --- who receives


def by_paho(options: MqttSourceOptions, n: int) -> None:
    """Receive as paho's documentation has it."""
    left = n

    def on_message(client: Client, _data: object, message: MQTTMessage) -> None:
        nonlocal left
        client.ack(message.mid, message.qos)
        left -= 1
        if not left:
            client.disconnect()

    client = Client(
        CallbackAPIVersion.VERSION2, options.client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
    )
    client.on_message = on_message
    client.connect(*options.address, **connect_options(options, _KEPT_S, _WINDOW, None))
    client.loop_forever()


def by_link(options: MqttSourceOptions, n: int) -> None:
    """Receive by the connection that the source has, each message acknowledged in its callback."""
    left, done = n, threading.Event()
    link = Link("bench", options, session_s=_KEPT_S, window=_WINDOW)

    def on_message(message: MQTTMessage) -> None:
        nonlocal left
        link.ack([message.mid])
        left -= 1
        if not left:
            done.set()

    link.on_message = on_message
    link.start()
    done.wait()
    link.stop()


def by_source(options: MqttSourceOptions, n: int) -> None:
    """Read and acknowledge, as a worker does."""
    source = MqttSource("bench", options, _LAYOUT)
    source.open(b"")
    while n > 0:
        batch = source.read(10_000, 0.05)
        if batch is not None:
            n -= len(batch.token.mids)  # type: ignore[attr-defined]
            source.ack(batch.token)
    source.close()
