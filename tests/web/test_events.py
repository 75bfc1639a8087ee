"""What happens is told to whoever listens: in order, in one line each, to the slow ones what they lost."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from detector.web import events
from detector.web.asked import OfEvents
from detector.web.events import Client, event
from tests.brokers import wait_until
from tests.web.answering import PUMPS, START, answering, append, faulty, fed, got, normal, texts
from tests.web.serving import Serving
from tests.web.test_api_changes import HOSTILE, hostile

N, AT = 1500, 1200


class Listener(threading.Thread):
    """Reads events, as a browser does."""

    def __init__(self, one: Serving, query: str = "") -> None:
        super().__init__(daemon=True)
        self.lines: list[str] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=30)
        self._connection.request("GET", f"/v1/events{query}")
        self.answer = self._connection.getresponse()
        self.ended = False

    def run(self) -> None:
        for line in self.answer:
            self.lines.append(line.decode())
        self.ended = True

    @property
    def told(self) -> list[tuple[str, Any]]:
        """Name and data of each event, read as the standard says."""
        found, name, data = [], "", []
        for line in list(self.lines):
            field, _, value = line.rstrip("\n").partition(": ")
            if line == "\n" and data:
                found.append((name, json.loads("\n".join(data))))
                name, data = "", []
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
        return found

    def of(self, name: str) -> list[Any]:
        return [data for kind, data in self.told if kind == name]


@contextmanager
def listening(one: Serving, query: str = "") -> Iterator[Listener]:
    listener = Listener(one, query)
    assert listener.answer.status == 200, listener.answer.read()
    assert listener.answer.headers["content-type"].startswith("text/event-stream")
    listener.start()
    yield listener


def test_ticks_states_records_and_alerts_come_as_they_happen(tmp_path: Path) -> None:
    X = faulty(N, AT)
    key = quote(PUMPS[1], safe="")
    with answering(tmp_path) as one:
        fed(one, texts(X[:AT]))
        with listening(one, f"?pipeline=pumps&key={key}") as mine, listening(one) as all_:
            wait_until(lambda: all_.of("tick") and mine.of("tick"))
            time.sleep(0.6)  # the model that the records are shown with
            for first in range(AT, N, 30):
                append(tmp_path, texts(X[first : first + 30], first))
                time.sleep(0.02)
            wait_until(lambda: sum(len(told["time"]) for told in mine.of("records")) >= (N - AT) / 3)
            wait_until(lambda: len(all_.of("alert")) >= 2 and all_.of("state"))
            wait_until(lambda: all_.of("tick")[-1]["records"] == N)
        (alert,) = got(one, f"/v1/alerts?key={key}")["alerts"]
        heard = [told["alert"] for told in all_.of("alert") if told["alert"]["key"] == PUMPS[1]]
        assert [told["status"] for told in heard] == ["open", "closed"]
        assert heard[-1] == alert
        records = mine.of("records")
        assert [t for told in records for t in told["time"]] == [START + i for i in range(AT + 1, N, 3)]
        assert np_rows(records) == X[AT + 1 :: 3].tolist()
        assert not all_.of("records")
        state = all_.of("state")[-1]["keys"]
        assert {stream["key"] for stream in state} == set(PUMPS)
        ids = [int(line[4:]) for line in all_.lines if line.startswith("id: ")]
        assert ids == sorted(set(ids))
    all_.join(10)
    assert all_.ended  # the daemon's end closes the stream


def np_rows(records: list[Any]) -> list[list[float]]:
    return [list(row) for told in records for row in zip(*told["values"], strict=True)]


def test_who_is_slow_is_told_how_much_was_lost_before_what_is_left() -> None:
    async def slow() -> list[str]:
        client = Client(OfEvents())
        told = client.told()
        await anext(told)
        for i in range(events._MOST_WAITING + 44):
            client.put([event("tick", {"i": i}, i)])
        await asyncio.sleep(0.05)
        found = [await anext(told) for _ in range(events._MOST_WAITING + 1)]
        client.put([event("tick", {"i": -1})])
        found.append(await anext(told))
        client.put([], ended=True)
        assert [text async for text in told] == []
        return found

    found = asyncio.run(slow())
    assert found[0] == 'event: lost\ndata: {"count": 44}\n\n'
    assert [json.loads(text.split("data: ")[1])["i"] for text in found[1:]] == [
        *range(44, events._MOST_WAITING + 44),
        -1,
    ]


def test_silence_is_broken_now_and_then(monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "_ALIVE_S", 0.05)

    async def quiet() -> list[str]:
        told = Client(OfEvents()).told()
        return [await anext(told) for _ in range(3)]

    assert all(text.startswith(": ") and text.endswith("\n\n") for text in asyncio.run(quiet()))


def test_no_key_breaks_out_of_its_event(tmp_path: Path) -> None:
    with answering(tmp_path) as one, listening(one) as all_:
        fed(one, hostile())
        wait_until(lambda: {told["alert"]["key"] for told in all_.of("alert")} == set(HOSTILE))
        wait_until(lambda: all_.of("state"))
        told = {stream["key"] for state in all_.of("state") for stream in state["keys"]}
        assert told == set(HOSTILE)
        assert {name for name, _ in all_.told} == {"tick", "state", "alert"}
        assert all(
            line == "\n" or line.startswith(("event: ", "data: {", "id: ", ": ")) for line in list(all_.lines)
        )


def test_a_thousand_keys_are_told_a_part_at_a_time(tmp_path: Path) -> None:
    lines = [
        json.dumps({"time": START + i, "pump": f"k{i % 1000:04}", "a": a, "b": b, "c": c})
        for i, (a, b, c) in enumerate(normal(3000).tolist())
    ]
    with answering(tmp_path) as one, listening(one) as all_:
        fed(one, lines)
        wait_until(lambda: len(all_.of("state")) >= 1)
        assert max(len(state["keys"]) for state in all_.of("state")) <= 200
        assert got(one, "/v1/streams?limit=1000")["total"] == 1000


def test_only_so_many_listen_and_a_stranger_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "_MOST_CLIENTS", 1)
    with answering(tmp_path) as one:
        with listening(one):
            assert "close a page" in got(one, "/v1/events", 503)["error"]
        assert got(one, "/v1/events?pipeline=other", 404)
        assert got(one, "/v1/events?keys=a", 422)
