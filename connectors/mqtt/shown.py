"""What the MQTT sink shows beside its alerts, retained: states, learning, the device of Home Assistant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paho.mqtt.client import MQTTMessage

from connectors.mqtt.board import Board
from connectors.mqtt.home_assistant import Device
from connectors.mqtt.link import Link
from connectors.mqtt.outgoing import Outgoing
from connectors.mqtt.topics import fill_template
from detector.contracts import KeyState, States

if TYPE_CHECKING:
    from connectors.sinks.mqtt_options import MqttOptions

_LEARNING, _DEVICE = ("learning",), ("device",)
"""Names on the board beside the keys, which are text."""


class Shown:
    """Shows what the options ask for.

    Parameters
    ----------
    options : MqttOptions
        The topics.
    """

    def __init__(self, options: MqttOptions) -> None:
        self._options = options
        self._board: Board[str | tuple[str], KeyState | None] = Board(self._messages)
        self._states: States | None = None
        self._device = self._made()
        self._link: Link | None = None
        self._asked = False  # on this connection, for what Home Assistant and an earlier run have told

    def _made(self) -> Device | None:
        options, house = self._options, self._options.home_assistant
        if house is None:
            return None
        topics = {
            "state": options.state_topic,
            "status": options.status_topic,
            "learning": options.learning_topic,
        }
        return Device(options.client_id, house, {name: topic or "" for name, topic in topics.items()})

    @property
    def anything(self) -> bool:
        """Whether there is anything to show."""
        options = self._options
        return bool(options.state_topic or options.learning_topic)

    def follow(self, name: str, link: Link) -> None:
        """Show it over this connection, which is not started yet, whenever it is there."""
        if not self.anything:
            return
        self._link = link
        link.on_up = lambda _session_present: self._connected()
        link.on_message = self._heard
        self._board.start(name, link)

    def tell(self, states: States) -> None:
        """Take what has changed."""
        before, self._states = self._states, states
        if self._options.state_topic is not None:
            for state in states.keys:
                self._board.put(state.key, state)
        if before is None or before.learning != states.learning:
            self._board.put(_LEARNING, None)
        if self._device is not None:
            keys = [*states.known, *(state.key for state in states.keys)]
            if self._device.know(states.pipeline, keys):
                self._board.put(_DEVICE, None)

    def wake(self) -> None:
        """Look again whether the connection is there."""
        self._board.wake()

    def stop(self) -> None:
        """Show what waits, if that is possible in a moment, and end."""
        self._board.stop()

    def _messages(self, name: str | tuple[str], state: KeyState | None) -> Iterator[Outgoing]:
        """Yield what to show of a name on the board; in its thread."""
        options, states = self._options, self._states
        if states is None:
            return
        if state is not None and options.state_topic is not None:
            values = {"pipeline": states.pipeline, "key": state.key}
            topic = fill_template(options.state_topic, values)
            user = (("schema", "kyori.state.v1"), ("model", states.model))
            yield Outgoing(topic, state.to_json(states.pipeline), options.state_expiry_s, user)
        elif name == _LEARNING and options.learning_topic is not None:
            values = {"pipeline": states.pipeline, "key": ""}
            topic = fill_template(options.learning_topic, values)
            yield Outgoing(topic, "ON" if states.learning else "OFF")
        elif name == _DEVICE and self._device is not None:
            self._ask(self._device)
            yield from (Outgoing(*message) for message in self._device.messages())

    def _ask(self, device: Device) -> None:
        """Ask for what an earlier run has announced, before that is replaced.

        Not as soon as we are connected: until the first `tell` the device has no topic.
        """
        house = self._options.home_assistant
        if self._asked or self._link is None or not device.topic or house is None or not house.discovery:
            return
        self._asked = True
        self._link.subscribe(dict.fromkeys((device.topic, house.birth_topic), 0), retained=True)

    # --- paho's thread

    def _connected(self) -> None:
        self._asked = False
        self._board.renew()
        self._board.put(_LEARNING, None)
        if self._device is not None:
            self._board.put(_DEVICE, None)

    def _heard(self, message: MQTTMessage) -> None:
        house, device = self._options.home_assistant, self._device
        if house is None or device is None:
            return
        if message.topic == house.birth_topic:
            if message.payload == b"online" and not message.retain:
                self._board.put(_DEVICE, None)
        elif message.retain and message.topic == device.topic:
            device.adopt(bytes(message.payload))
            self._board.put(_DEVICE, None)
