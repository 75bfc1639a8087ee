"""What Home Assistant is told: in the form that its documentation has, and taken back when it is over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined
from jsonschema import Draft202012Validator

from connectors.mqtt.home_assistant import Device, HomeAssistantOptions, identifier
from connectors.sinks.mqtt import MqttSink
from detector.contracts import KeyState, States
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import Subscriber
from tests.test_injection import HOSTILE

__all__ = ["broker"]

SCHEMA = json.loads((Path(__file__).parent / "home_assistant.schema.json").read_text())
Draft202012Validator.check_schema(SCHEMA)
VALIDATOR = Draft202012Validator(SCHEMA)
TOPIC = "homeassistant/device/kyori_plant-a-out_pumps/config"
TOPICS = {"state": "k/{pipeline}/{key}/state", "status": "k/status", "learning": "k/{pipeline}/learning"}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.link.BACKOFF_S", (0.05, 0.2))


def problems(payload: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(payload)]


def device(*keys: str, pipeline: str = "pumps", **options: Any) -> Device:
    made = Device("plant-a-out", HomeAssistantOptions(**({"learn_topic": "k/cmd/learn"} | options)), TOPICS)
    made.know(pipeline, keys)
    return made


def told(one: Device) -> dict[str, Any]:
    (message,) = one.messages()
    found: dict[str, Any] = json.loads(message[1])
    return found


def test_the_form_is_the_documented_one() -> None:
    one = device("north/7", "south/1")
    payload = told(one)
    assert problems(payload) == []
    assert one.topic == TOPIC
    components = payload["cmps"].values()
    assert sorted(each["p"] for each in components) == ["binary_sensor"] * 2 + ["sensor"] * 4 + ["switch"]
    (anomaly,) = (each for each in components if each["name"] == "north/7 anomaly")
    assert anomaly["state_topic"] == anomaly["json_attributes_topic"] == "k/pumps/north/7/state"
    (switch,) = (each for each in components if each["p"] == "switch")
    assert (switch["payload_off"], switch["state_topic"]) == ("OFF pumps", "k/pumps/learning")
    assert payload["availability"] == [{"topic": "k/status"}]


def _misspell(payload: Any) -> None:
    for each in payload["cmps"].values():
        each["stat_topic"] = each.pop("state_topic")


def _forget(payload: Any) -> None:
    for each in payload["cmps"].values():
        del each["unique_id"]


BREAK: dict[str, Callable[[Any], Any]] = {
    "an option that is not there": _misspell,
    "no unique id": _forget,
    "no origin": lambda payload: payload.pop("o"),
    "no device": lambda payload: payload.pop("dev"),
    "no platform": lambda payload: [each.pop("p") for each in payload["cmps"].values()],
    "another option of the device": lambda payload: payload["dev"].update(firmware="1"),
    "a wildcard": lambda payload: payload["availability"][0].update(topic="k/#"),
    "a class that is not there": lambda payload: payload["cmps"]["learning"].update(device_class="problem"),
}


@pytest.mark.parametrize("what", BREAK)
def test_the_schema_refuses_anything_else(what: str) -> None:
    payload = deepcopy(told(device("a")))
    BREAK[what](payload)
    assert problems(payload)


@pytest.mark.parametrize("key", [*HOSTILE, "", "{{ 7 * 7 }}", "a/+/#"])
def test_keys_and_names_may_be_anything(key: str) -> None:
    one = device(key, "other", pipeline="p")
    payload = told(one)
    assert problems(payload) == []
    ids = [each["unique_id"] for each in payload["cmps"].values()]
    assert len(set(ids)) == len(ids) == 7
    assert all(each["name"].isprintable() for each in payload["cmps"].values())
    assert told(device("other", key, pipeline="p"))["cmps"] == payload["cmps"]  # whoever comes first


def test_identifiers_do_not_collide() -> None:
    names = ["a.b", "a_b", "a b", "a-b", "", "_", "x" * 50, "x" * 51, "é", "è"]
    found = [identifier(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in found)


def test_templates_read_the_state() -> None:
    components = told(device("a"))["cmps"].values()
    (anomaly, score, threshold, _) = (each.get("value_template", "") for each in components)

    def shown(template: str, state: KeyState) -> str:
        value = json.loads(state.to_json("pumps"))
        return Environment(undefined=StrictUndefined).from_string(template).render(value_json=value)  # noqa: S701

    wrong = KeyState("a", True, "critical", 1.0, ("distance",), ("flow",), 2.0, 9.0, 3.0, 3.0)
    assert [shown(text, wrong) for text in (anomaly, score, threshold)] == ["ON", "9.0", "3.0"]
    # Home Assistant takes the text None for unknown.
    assert [shown(text, KeyState("a")) for text in (anomaly, score, threshold)] == ["OFF", "None", "None"]


def test_only_so_many_keys_are_shown() -> None:
    one = device(*(f"k{i}" for i in range(9)), keys=2, learn_topic=None)
    assert sorted(each["name"] for each in told(one)["cmps"].values()) == [
        f"k{i} {what}" for i in (0, 1) for what in ("anomaly", "score", "threshold")
    ]
    assert not one.know("pumps", ["k8", "k9"])


def test_what_is_gone_is_taken_back_and_the_others_stay() -> None:
    before = device("b", "c", keys=2).messages()[0][1].encode()
    after = device("a", "b", "c", keys=1, learn_topic=None)
    after.adopt(before)
    first, second = (json.loads(text) for _, text in after.messages())
    assert problems(first) == problems(second) == []
    gone = {name: each for name, each in first["cmps"].items() if set(each) == {"p"}}
    assert sorted(each["p"] for each in gone.values()) == ["binary_sensor", "sensor", "sensor", "switch"]
    assert second["cmps"] == {name: each for name, each in first["cmps"].items() if name not in gone}
    assert {each["name"].split()[0] for each in second["cmps"].values()} == {"b"}
    assert len(after.messages()) == 1


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"[]", b'{"cmps": []}', b'{"cmps": {"a": 1}}', b"[" * 100_000]
)
def test_what_somebody_else_has_put_there_does_no_harm(payload: bytes) -> None:
    one = device("a")
    one.adopt(payload)
    one.adopt(json.dumps({"cmps": {"x/../y": {"p": "sensor"}, "learning": {"p": "lock"}}}).encode())
    assert problems(told(one)) == []
    assert len(told(one)["cmps"]) == 4


# --- with a broker


class House(Subscriber):
    """Home Assistant, as far as it is asked here."""

    def configs(self) -> list[bytes]:
        return [bytes(message.payload) for message in self.messages if message.topic == TOPIC]


@pytest.fixture
def house(broker: Broker) -> Iterator[House]:
    made = House(broker.port, "homeassistant/#")
    yield made
    made.close()


def opened(broker: Broker, *keys: str, told_first: bool = True, **house: Any) -> MqttSink:
    topics = {
        "status_topic": "k/status",
        "state_topic": TOPICS["state"],
        "learning_topic": TOPICS["learning"],
    }
    sink = MqttSink(
        "out", MqttSink.Options(url=broker.url, client_id="plant-a-out", home_assistant=house, **topics)
    )
    sink.open(b"")
    if not told_first:
        wait_until(lambda: sink.connected)
    sink.tell(States("pumps", "m", True, (), keys))
    wait_until(lambda: sink.connected)
    return sink


def shown(payload: bytes) -> set[str]:
    assert problems(json.loads(payload)) == []
    return {each.get("name", "gone").split()[0] for each in json.loads(payload)["cmps"].values()}


@needs_mosquitto
def test_it_is_announced_again_when_the_house_has_come(broker: Broker, house: House) -> None:
    sink = opened(broker, "a")
    wait_until(lambda: house.configs() and shown(house.configs()[-1]) == {"a"})
    house.messages.clear()
    house.publish("homeassistant/status", "offline")
    house.publish("homeassistant/status", "online")
    wait_until(house.configs)
    assert shown(house.configs()[-1]) == {"a"}
    sink.tell(States("pumps", "m", True, (KeyState("b"),)))  # a key that is new
    wait_until(lambda: shown(house.configs()[-1]) == {"a", "b"})
    sink.close()
    later = House(broker.port, "homeassistant/#")
    wait_until(later.configs)
    assert later.messages[0].retain
    assert shown(later.configs()[0]) == {"a", "b"}
    later.close()


@needs_mosquitto
@pytest.mark.parametrize("told_first", [True, False])
def test_a_restart_takes_back_what_is_gone(broker: Broker, house: House, told_first: bool) -> None:
    opened(broker, "a", "b").close()
    wait_until(lambda: house.configs() and shown(house.configs()[-1]) == {"a", "b"})
    sink = opened(broker, "a", "b", keys=1, told_first=told_first)
    wait_until(lambda: len(house.configs()) > 2 and shown(house.configs()[-1]) == {"a"})
    assert {"a", "gone"} in [shown(payload) for payload in house.configs()]
    sink.close()


@needs_mosquitto
def test_without_discovery_the_device_is_deleted(broker: Broker, house: House) -> None:
    opened(broker, "a").close()
    wait_until(house.configs)
    sink = opened(broker, "a", discovery=False)
    wait_until(lambda: house.configs()[-1] == b"")
    sink.close()
    later = House(broker.port, "homeassistant/#")
    house.publish("homeassistant/x", "end")
    wait_until(lambda: later.messages)
    assert later.configs() == []
    later.close()
