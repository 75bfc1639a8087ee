"""Whether we are there, on a retained topic: the broker itself tells when we are gone without a word."""

from __future__ import annotations

from paho.mqtt.client import Client, MQTTMessageInfo

ONLINE, OFFLINE = "online", "offline"
_LAST_WORD_S = 2.0


class Status:
    """What a connection tells of itself; MQTT's last will is a part of it.

    Parameters
    ----------
    topic : str
        Where.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._mids: set[int] = set()

    def promise(self, client: Client) -> None:
        """Leave our will, before the client connects."""
        client.will_set(self.topic, OFFLINE, qos=1, retain=True)

    def come(self, client: Client) -> None:
        """Tell that we are there; called in paho's thread."""
        self._tell(client, ONLINE)

    def go(self, client: Client) -> None:
        """Tell that we leave, and wait a little until the broker has it."""
        self._tell(client, OFFLINE).wait_for_publish(_LAST_WORD_S)

    def is_ours(self, mid: int) -> bool:
        """Return, once, whether a message that the broker has taken was one of these."""
        ours = mid in self._mids
        self._mids.discard(mid)
        return ours

    def _tell(self, client: Client, word: str) -> MQTTMessageInfo:
        info = client.publish(self.topic, word, qos=1, retain=True)
        self._mids.add(info.mid)
        return info
