"""Commands from an MQTT topic: acknowledged only when they are carried out for good, and answered if asked.

QoS 1 with a session that the broker keeps, as the MQTT source has it (`connectors.mqtt.inbox` has the
reasoning): what is sent while we are away comes when we are back. A command may come twice after a crash;
whoever handles it has to bear that. With MQTT 5 a message that names a response topic gets an answer
there, with its correlation data.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from connectors.commands.mqtt_options import MqttCommandOptions
from connectors.mqtt.client import LinkError, make_client, make_properties
from connectors.mqtt.inbox import Inbox, Message, Token, digest
from connectors.mqtt.link import Link
from detector.errors import KyoriError

log = structlog.get_logger()

LONGEST = 16 << 10
"""Bytes of a command."""
_LARGEST_PACKET = 1 << 20
"""Larger ones are not even sent to us (MQTT 5)."""
_WINDOW = 20
_LOOK_S = 0.5
_RETRY_S = (1.0, 30.0)
_END_S = 5.0
_ANSWERED_TOPIC = 1000


@dataclass(slots=True)
class Command(Message):
    """A message that may want an answer.

    Attributes
    ----------
    answer_to : str
        The response topic; "" for none.
    correlation : bytes or None
        What the answer has to carry, so that the asker knows it.
    """

    answer_to: str = ""
    correlation: bytes | None = None


class MqttCommands:
    """See the module's description; `connectors.commands.load` tells what the methods promise.

    Parameters
    ----------
    name : str
        The detector's name, which the topics hold.
    options : MqttCommandOptions
        Where, and as whom.
    handles : mapping of str to callable
        Carry a command of each kind out and return the answer.
    """

    Options = MqttCommandOptions

    def __init__(
        self, name: str, options: MqttCommandOptions, handles: Mapping[str, Callable[[bytes], bytes]]
    ) -> None:
        self.options = options
        self.kinds = options.kinds(name)
        self.failure: BaseException | None = None
        self._handles = handles
        self._inbox = Inbox(_WINDOW)
        self._link: _AnsweringLink | None = None
        self._subscribed = False
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        self._log = log.bind(connector="commands")

    def check(self) -> None:
        """Raise what would keep `open` from beginning to connect."""
        make_client(self.options, clean=True)

    def open(self) -> None:
        """Begin to connect, and to carry out what comes."""
        self._connect()
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the command under way, and disconnect; the broker goes on collecting for us."""
        self._halt.set()
        self._inbox.wake()
        if self._thread is not None:
            self._thread.join(_END_S)
            self._thread = None
        if self._link is not None:
            self._link.stop()
            self._link = None

    @property
    def connected(self) -> bool:
        """Whether we are connected and subscribed."""
        return self._link is not None and self._link.connected and self._subscribed

    def probe(self, timeout_s: float) -> str | None:
        """Try to connect once, under another name and without a session; return what is wrong, or None."""
        options = self.options.model_copy(update={"client_id": self.options.client_id + "-probe"})
        return Link("commands", options).probe(timeout_s)

    def _connect(self) -> None:
        self._link = link = _AnsweringLink(
            "commands",
            self.options,
            self._inbox.wake,
            session_s=round(self.options.session_expiry),
            window=_WINDOW,
            max_packet=_LARGEST_PACKET,
        )
        link.on_up, link.on_down = self._on_up, self._inbox.down
        link.on_message, link.on_subscribed = self._on_message, self._on_subscribed
        link.on_answer = self._inbox.settle
        try:
            link.start()
        except LinkError as error:
            link.failure = str(error)
            raise KyoriError(f"commands: {error}") from error

    # --- our thread

    def _run(self) -> None:
        try:
            while not self._halt.is_set():
                self._mend()
                self._inbox.wait(_LOOK_S, self._halt.is_set)
                message = None if self._halt.is_set() else self._inbox.take()
                if isinstance(message, Command):
                    self._carry_out(message)
        except BaseException as error:
            self.failure = error

    def _mend(self) -> None:
        """Begin anew where waiting does not help: the detector must not end because of its commands."""
        link = self._link
        if link is None:
            return
        if link.failure is not None:
            self._log.error("commands_interrupted", reason=link.failure, retry_s=_RETRY_S[1])
            link.stop()
            if not self._halt.wait(_RETRY_S[1]):
                with suppress(KyoriError):  # it is in `failure` again
                    self._connect()
        elif self._inbox.starved():
            link.reconnect()

    def _carry_out(self, command: Command) -> None:
        if not command.ignored and not command.repeated:
            answer = self._answer(command)
            if answer is None:
                return  # told to end before it was carried out: it is not acknowledged, and comes again
            self._send(command, answer)
        if command.qos and self._link is not None:
            self._inbox.ack(Token(command.epoch, (command.mid,)), self._link.ack, self._link.ask)

    def _answer(self, command: Command) -> bytes | None:
        """Return the answer, trying again while the command cannot be carried out; None if told to end."""
        if command.size > LONGEST:
            return refusal(f"the command has {command.size} bytes; at most {LONGEST} are taken")
        pause, longest = _RETRY_S
        while True:
            try:
                return self._handles[self.kinds[command.topic or ""]](command.payload)
            except KyoriError as error:
                self._log.error("command_waits", reason=str(error), retry_s=pause)
                if self._halt.wait(pause):
                    return None
                pause = min(2 * pause, longest)
            except Exception:
                # It would fail again and again, and keep all that come after it from being heard.
                self._log.exception("command_failed")
                return refusal("it failed; the log of the detector says how")

    def _send(self, command: Command, answer: bytes) -> None:
        # An answer to a topic of commands would be taken for one.
        if command.answer_to and command.answer_to not in self.kinds and self._link is not None:
            self._link.answer(command.answer_to, answer, command.correlation)

    # --- paho's thread: nothing here may wait or raise

    def _on_up(self, session_present: bool) -> None:
        self._inbox.up(session_present=session_present)
        if self._link is not None:
            self._link.subscribe(dict.fromkeys(self.kinds, 1), retained=False)

    def _on_subscribed(self, codes: list[ReasonCode]) -> None:
        for topic, code in zip(self.kinds, codes, strict=False):
            if code.is_failure or code.value < 1:
                self._log.error("mqtt_subscription_refused", topic=topic, reason=str(code))
        self._subscribed = True

    def _on_message(self, message: MQTTMessage) -> None:
        try:
            self._inbox.put(self._command(message))
        except Exception:
            self._log.exception("command_not_taken")

    def _command(self, message: MQTTMessage) -> Command:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = None
        payload = bytes(message.payload)
        response = str(getattr(message.properties, "ResponseTopic", ""))
        return Command(
            mid=message.mid,
            qos=message.qos,
            dup=message.dup,
            topic=topic,
            payload=payload[:LONGEST],
            size=len(payload),
            digest=digest((topic or "").encode(), payload) if message.qos else b"",
            # An old command is none, and the session may still have the topic of an earlier configuration.
            ignored=message.retain or topic not in self.kinds,
            answer_to=response if _may_be_answered(response) else "",
            correlation=getattr(message.properties, "CorrelationData", None),
        )


class _AnsweringLink(Link):
    """A link that can also answer."""

    def answer(self, topic: str, payload: bytes, correlation: bytes | None) -> None:
        """Publish an answer; it is lost where too many others wait."""
        if self._client is None:
            return
        properties = make_properties(
            PacketTypes.PUBLISH, ContentType="application/json", CorrelationData=correlation
        )
        self._client.publish(topic, payload, qos=1, properties=properties)


def refusal(error: str) -> bytes:
    """Return the answer to a command that cannot be carried out.

    >>> refusal("no such alert")
    b'{"ok": false, "error": "no such alert"}'
    """
    return json.dumps({"ok": False, "error": error}).encode()


def _may_be_answered(topic: str) -> bool:
    plain = 0 < len(topic) <= _ANSWERED_TOPIC and not topic.startswith("$") and not set(topic) & set("+#\0")
    return plain and topic.isprintable()
