"""What happens, told to every browser that listens, as server-sent events.

One thread looks four times a second at what has passed, and tells it to all clients (`Broadcaster`). Each
client has a queue of its own in the server's loop. One that is slow loses the oldest of what waits for it,
and is told how much that was; nobody else waits for it, and never the pipeline.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from detector.errors import KyoriError
from detector.web import alerts, asked, looking
from detector.web.office import Office, ask, recent_of
from detector.web.refusal import Refusal
from detector.web.streams import Streams

log = structlog.get_logger()

_LOOK_S, _LOOKS_A_TICK = 0.25, 4
_ALIVE_S = 15.0
_MOST_CLIENTS = 64
_MOST_WAITING = 256
_MOST_KEYS = 200
"""Changed keys that are told of each second, over all pipelines."""
_MOST_RECORDS = 500
"""Of a stream, at a time."""
_MODEL_S = 2.0
"""What is normal changes slowly: a model that records are shown with is asked for so often."""


@dataclass(slots=True, eq=False)
class Client:
    """One that listens; made, and taken from, in the server's loop.

    Attributes
    ----------
    of : OfEvents
        What it wants to hear.
    """

    of: asked.OfEvents
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: deque[str] = field(default_factory=deque)
    lost: int = 0
    ended: bool = False

    def put(self, texts: list[str], *, ended: bool = False) -> None:
        """Have it told; called by any thread."""
        with suppress(RuntimeError):  # its loop is closed
            self.loop.call_soon_threadsafe(self._put, texts, ended)

    def _put(self, texts: list[str], ended: bool) -> None:
        self.waiting.extend(texts)
        self.ended = self.ended or ended
        while len(self.waiting) > _MOST_WAITING:
            self.waiting.popleft()
            self.lost += 1
        self.news.set()

    async def told(self) -> AsyncIterator[str]:
        """Yield what it is to be sent, until there will be no more."""
        yield ": kyori\n\n"
        while not self.ended:
            try:
                await asyncio.wait_for(self.news.wait(), _ALIVE_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            self.news.clear()
            if self.lost:
                lost, self.lost = self.lost, 0
                yield event("lost", {"count": lost})
            while self.waiting:
                yield self.waiting.popleft()


def event(name: str, data: Mapping[str, Any], number: int | None = None) -> str:
    r"""Return an event; whatever stands in the data, it is one line of ASCII.

    >>> event("tick", {"key": chr(10) + "data: x"})
    'event: tick\ndata: {"key": "\\ndata: x"}\n\n'
    """
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, allow_nan=False, ensure_ascii=True)}\n\n"


@dataclass(slots=True)
class _Watched:
    """A stream of which somebody wants each record."""

    serial: int
    model: looking.Model | None = None
    asked_at: float = -1e9
    answer: Future[looking.Model] | None = None


class Broadcaster(threading.Thread):
    """Looks at what passes, and tells the clients; keeps the windows of alerts by the way.

    Parameters
    ----------
    office : Office
        Knows what passes.
    """

    def __init__(self, office: Office) -> None:
        super().__init__(name="events", daemon=True)
        self._office = office
        self._lock, self._clients = threading.Lock(), list[Client]()
        self._halt = threading.Event()
        self._asking = ThreadPoolExecutor(2, "models to show")
        self._number = int(time.time() * 1000)  # goes on over a restart
        self._heard: dict[str, tuple[object, int]] = {}
        self._told: dict[str, tuple[object, int]] = {}
        self._watched: dict[tuple[str, str], _Watched] = {}

    def join_in(self, of: asked.OfEvents) -> Client:
        """Return a new client, which hears what happens from now on; called in the server's loop."""
        if of.key is not None or of.pipeline:
            self._office.chosen(of.pipeline) if of.key is None else self._office.worker(of.pipeline)
        with self._lock:
            if self._halt.is_set() or len(self._clients) >= _MOST_CLIENTS:
                said = (
                    "kyori ends"
                    if self._halt.is_set()
                    else f"{_MOST_CLIENTS} clients listen already; close a page"
                )
                raise Refusal(503, said)
            client = Client(of)
            self._clients.append(client)
        return client

    def leave(self, client: Client) -> None:
        """Tell a client nothing more."""
        with self._lock, suppress(ValueError):
            self._clients.remove(client)

    def stop(self) -> None:
        """Let all clients go, and end."""
        self._halt.set()
        if self.ident is not None:
            self.join(5.0)
        for client in self._listening():
            client.put([], ended=True)
        self._asking.shutdown(wait=False, cancel_futures=True)
        self._keep(last=True)

    def run(self) -> None:
        """Look until told to stop."""
        looks = 0
        while not self._halt.wait(_LOOK_S):
            looks += 1
            try:
                self._look(tick=looks % _LOOKS_A_TICK == 0)
            except Exception:  # what is shown is not worth the daemon's life
                log.exception("events_failed")

    def _listening(self) -> list[Client]:
        with self._lock:
            return list(self._clients)

    def _look(self, *, tick: bool) -> None:
        clients = self._listening()
        told: list[tuple[str, str]] = self._alerts()
        if tick:
            self._keep()
            told += self._ticks(clients)
        watched = self._records(clients)
        for client in clients:
            texts = [
                text for pipeline, text in told if not client.of.pipeline or client.of.pipeline == pipeline
            ]
            if client.of.key is not None:
                texts += watched.get(self._stream(client), [])
            if texts:
                client.put(texts)

    def _event(self, name: str, data: Mapping[str, Any]) -> str:
        self._number += 1
        return event(name, data, self._number)

    def _keep(self, *, last: bool = False) -> None:
        for name, worker in self._office.seen().items():
            self._office.windows.step(name, recent_of(worker), last=last)

    def _alerts(self) -> list[tuple[str, str]]:
        """Return what was heard since the last look, as events by pipeline."""
        found = []
        for name, worker in self._office.seen().items():
            recent = recent_of(worker)
            of, before = self._heard.get(name, (recent, 0))
            heard, last = recent.heard(before if of is recent else 0)
            self._heard[name] = recent, last
            found += [(name, alerts.plain(alert)) for alert in heard]
        if not found:
            return []
        told = alerts.Told(self._office, {alert["id"] for _, alert in found})
        return [(name, self._event("alert", {"alert": told.alert(alert)})) for name, alert in found]

    def _ticks(self, clients: list[Client]) -> list[tuple[str, str]]:
        """Return how it stands with each pipeline, and the keys that have had records, as events."""
        workers = self._office.seen()
        after = {
            name: serial
            for name, worker in workers.items()
            for recent, serial in [self._told.get(name, (None, 0))]
            if recent is worker.observer
        }
        self._told = {name: (worker.observer, recent_of(worker).serial) for name, worker in workers.items()}
        if not clients:
            return []
        told = [(name, self._event("tick", _tick(worker))) for name, worker in workers.items()]
        changed = Streams(workers).changed(after, _MOST_KEYS // max(len(workers), 1))
        return told + [
            (name, self._event("state", {"pipeline": name, "keys": keys})) for name, keys in changed.items()
        ]

    def _stream(self, client: Client) -> tuple[str, str]:
        return self._office.worker(client.of.pipeline).pipeline.name, client.of.key or ""

    def _records(self, clients: list[Client]) -> dict[tuple[str, str], list[str]]:
        """Return the records since the last look of each stream that somebody watches."""
        found: dict[tuple[str, str], list[str]] = {}
        wanted = set()
        for client in clients:
            if client.of.key is not None:
                with suppress(KyoriError):  # a reload has taken the pipeline away
                    wanted.add(self._stream(client))
        self._watched = {stream: watched for stream, watched in self._watched.items() if stream in wanted}
        for pipeline, key in wanted:
            worker = self._office.worker(pipeline)
            recent = recent_of(worker)
            watched = self._watched.setdefault((pipeline, key), _Watched(recent.serial))
            self._renew(watched, worker, key)
            if watched.model is None:
                continue
            if watched.serial > recent.serial:  # another pipeline of this name
                watched.serial = 0
            rows, count, watched.serial = recent.since(key, watched.serial, _MOST_RECORDS, looking.WARM)
            if not count:
                continue
            window = looking.window(worker.pipeline, key, rows, watched.model, count)
            named = ("pipeline", "key", "time", "score", "threshold", "level", "values", "shares")
            found[pipeline, key] = [self._event("records", {name: window[name] for name in named})]  # type: ignore[literal-required]
        return found

    def _renew(self, watched: _Watched, worker: Any, key: str) -> None:
        """Take the model that was asked for, and ask for it again now and then; nobody waits for it."""
        if watched.answer is not None and watched.answer.done():
            with suppress(KyoriError):
                watched.model = watched.answer.result()
            watched.answer = None
        if watched.answer is None and time.monotonic() - watched.asked_at >= _MODEL_S:
            watched.asked_at = time.monotonic()
            watched.answer = self._asking.submit(ask, worker, lambda: looking.model_of(worker.pipeline, key))


def _tick(worker: Any) -> dict[str, Any]:
    pipeline, progress = worker.pipeline, worker.progress
    return {
        "pipeline": pipeline.name, "records": progress.records, "rate": recent_of(worker).rate(),
        "open_alerts": len(pipeline.open_alerts), "alerts": progress.alerts, "anomalies": progress.anomalies,
        "learning": pipeline.learning, "connected": worker.connected,
    }  # fmt: skip
