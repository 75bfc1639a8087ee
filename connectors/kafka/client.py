"""librdkafka as we use it: what it says, and whether a cluster can be reached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from connectors.kafka.options import KafkaConnection

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

_log = structlog.get_logger()

Client = TypeVar("Client")
Settings = Mapping[str, Any]

SILENT = logging.getLogger("kyori.kafka")
"""Takes librdkafka's own lines, which would go to standard error; what matters comes as an error, too."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


class Trouble:
    """Tells errors of a connection in the log, each once until it works again.

    Parameters
    ----------
    name : str
        The connector's.
    brokers : sequence of str
        Where it connects to.

    Attributes
    ----------
    last : str
        What was wrong last; "" while it works.
    """

    def __init__(self, name: str, brokers: tuple[str, ...]) -> None:
        self._bound = _log.bind(connector=name, brokers=list(brokers))
        self._told: set[tuple[int, str]] = set()
        self.last = ""

    def note(self, error: KafkaError, topic: str = "") -> None:
        """Take what librdkafka calls with; it goes on trying by itself."""
        self.last = error.str()
        if (error.code(), topic) not in self._told:
            self._told.add((error.code(), topic))
            about = {"topic": topic} if topic else {}
            self._bound.warning("kafka_trouble", reason=error.str(), **about)

    def over(self) -> None:
        """Say that it works."""
        if self.last:
            self._bound.info("kafka_works_again")
        self.last = ""
        self._told.clear()


def make(
    kind: Callable[..., Client], options: KafkaConnection, trouble: Trouble, settings: Settings
) -> Client:
    """Return a client of librdkafka; `OSError` or `ValueError` where the options cannot be used."""
    from confluent_kafka import KafkaException  # noqa: PLC0415

    try:
        return kind({**options.client(), "error_cb": trouble.note, **settings}, logger=SILENT)
    except KafkaException as error:
        raise ValueError(error.args[0].str()) from error


def probe(options: KafkaConnection, topics: tuple[str, ...], timeout_s: float) -> str | None:
    """Ask the cluster for its topics; return what is wrong, or None."""
    from confluent_kafka import KafkaException  # noqa: PLC0415
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    trouble = Trouble("probe", options.brokers)
    try:
        found = make(AdminClient, options, trouble, {}).list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        return trouble.last or str(error.args[0].str())
    except (OSError, ValueError) as error:
        return str(error)
    missing = [topic for topic in topics if topic not in found]
    return f"there is no topic {', '.join(missing)}" if missing else None
