"""Sparkplug B, as one who only listens: what edge nodes and their devices tell, as records.

Its messages build on each other: a BIRTH tells the names and types that later messages leave out for an
alias, and all messages of an edge node are numbered. What has to be known of that is the state here, which is
part of the source's position.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import structlog

from connectors.decode.errors import Undecodable
from connectors.decode.sparkplug_payload import parse, value_of

log = structlog.get_logger()

NAMESPACE = "spBv1.0"
MOST_EDGES = 10_000
MOST_DEVICES = 10_000
"""Of one edge node. What was heard of longest ago is forgotten; it has to be born again."""
_BIRTHS, _DEATHS, _DATA = ("NBIRTH", "DBIRTH"), ("NDEATH", "DDEATH"), ("NDATA", "DDATA")
_COMMANDS = ("NCMD", "DCMD")
_NUMBERS = 256
_ASK_AGAIN_S = 60.0
_OTHER_KINDS = ("bytes_value", "dataset_value", "template_value")


class Place(NamedTuple):
    """Who sent a message; `device` is "" for the edge node itself."""

    group: str
    kind: str
    edge: str
    device: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels ``group``, ``edge`` and, of a device, ``device``."""
        labels = {"group": self.group, "edge": self.edge}
        return labels | {"device": self.device} if self.device else labels


@dataclass(slots=True)
class _Edge:
    """What is known of an edge node.

    Attributes
    ----------
    seq : int
        Number of its last message; -1: not known.
    session : int
        The ``bdSeq`` of its last BIRTH; -1: it had none.
    at, asked : float
        When it was heard of last, and when it was asked for a rebirth.
    born : dict
        Of each device ("" is the node) the wanted metrics: alias (-1: none) and data type by name.
    """

    seq: int = -1
    session: int = -1
    at: float = math.nan
    asked: float = -math.inf
    born: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    packed: bytes = b""

    def plain(self) -> dict[str, object]:
        """Return it as it is saved; what BIRTHs told is long, and seldom new."""
        self.packed = self.packed or orjson.dumps(self.born)
        born = orjson.Fragment(self.packed)
        return {"seq": self.seq, "session": self.session, "at": self.at, "born": born}


class Sparkplug:
    """Makes records of messages, each with the metrics that are wanted and a ``timestamp`` in unix seconds.

    Parameters
    ----------
    wanted : sequence of str
        Names of metrics; all others are passed over.
    numbered : bool
        All messages of an edge node are seen, so that a jump of their numbers is a gap.
    counts : Counter
        ``sparkplug_ignored`` counts values of wanted metrics that are data sets, templates or bytes.

    """

    def __init__(self, wanted: Sequence[str], *, numbered: bool, counts: Counter[str]) -> None:
        self._wanted = frozenset(wanted)
        self._numbered, self._counts = numbered, counts
        self._edges: dict[str, _Edge] = {}
        self._gaps: list[tuple[float, float, str]] = []
        self._asks: list[str] = []

    def read(self, topic: str, payload: bytes, now: float) -> tuple[dict[str, str], list[dict[str, object]]]:
        """Return labels and records of a message that came at that time; raises `Undecodable`."""
        place = place_of(topic)
        if place is None:
            return {}, []
        message = parse(payload)
        edge = self._heard(place, message, now)
        if place.kind in _DEATHS:
            _bury(edge, place, message)
            return place.labels, []
        if place.kind in _BIRTHS:
            self._bear(edge, place, message)
        known = edge.born.get(place.device)
        if known is None and any(not metric.name for metric in message.metrics):
            self._ask(edge, place, now)
            raise Undecodable("unknown_alias", "no BIRTH has told yet what its aliases stand for")
        return place.labels, self._records(message, known or {})

    def taken(self) -> tuple[list[tuple[float, float, str]], list[str]]:
        """Return, once, what came up: gaps as since, until and reason; topics at which to ask for BIRTHs."""
        taken = self._gaps, self._asks
        self._gaps, self._asks = [], []
        return taken

    # --- the state

    def state(self) -> dict[str, object]:
        """Return what `restore` takes, once it went through JSON."""
        edges = {name: edge.plain() for name, edge in self._edges.items()}
        return {"wanted": sorted(self._wanted), "edges": edges}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a position; what BIRTHs told of other metrics than those wanted now is of no use."""
        useful = state["wanted"] == sorted(self._wanted)
        for name, saved in state["edges"].items():
            born = {
                device: {metric: (int(alias), int(kind)) for metric, (alias, kind) in metrics.items()}
                for device, metrics in (saved["born"] if useful else {}).items()
            }
            self._edges[name] = _Edge(int(saved["seq"]), int(saved["session"]), float(saved["at"]), born=born)

    def _heard(self, place: Place, message: Any, now: float) -> _Edge:
        """Note that an edge node was heard of, and whether messages before this one are missing."""
        name = f"{place.group}/{place.edge}"
        edge = self._edges.pop(name, None) or _Edge()
        self._edges[name] = edge
        if len(self._edges) > MOST_EDGES:
            del self._edges[next(iter(self._edges))]
        seq = int(message.seq) if message.HasField("seq") and message.seq < _NUMBERS else -1
        if self._numbered and place.kind != "NBIRTH" and seq >= 0 and edge.seq >= 0:
            missing = (seq - edge.seq - 1) % _NUMBERS
            if missing:
                what = f"{missing} or more messages of the Sparkplug edge node {name} did not come"
                self._gaps.append((edge.at, now, what))
                edge.born.clear()  # a BIRTH may be among them, after which aliases mean something else
                edge.packed = b""
        edge.seq, edge.at = seq if place.kind != "NDEATH" else edge.seq, now
        return edge

    def _bear(self, edge: _Edge, place: Place, message: Any) -> None:
        if place.kind == "NBIRTH":
            edge.born.clear()  # all its devices will be born anew
            edge.session = _session(message.metrics)
            log.info("sparkplug_birth", group=place.group, edge=place.edge)
        edge.born.pop(place.device, None)
        if len(edge.born) >= MOST_DEVICES:
            del edge.born[next(iter(edge.born))]
        edge.born[place.device] = {
            metric.name: (int(metric.alias) if metric.HasField("alias") else -1, int(metric.datatype))
            for metric in message.metrics
            if metric.name in self._wanted
        }
        edge.packed = b""

    def _ask(self, edge: _Edge, place: Place, now: float) -> None:
        if not now - edge.asked < _ASK_AGAIN_S:
            edge.asked = now
            self._asks.append(f"{NAMESPACE}/{place.group}/NCMD/{place.edge}")

    # --- metrics

    def _records(self, message: Any, known: Mapping[str, tuple[int, int]]) -> list[dict[str, object]]:
        """Return one record of what is told of now, and one for each time that a history tells of."""
        names = {alias: name for name, (alias, _) in known.items() if alias >= 0}
        found: dict[tuple[int, int], dict[str, object]] = {}
        times: dict[tuple[int, int], int] = {}
        for metric in message.metrics:
            name = metric.name or names.get(metric.alias, "")
            if name not in self._wanted:
                continue
            datatype = metric.datatype or known.get(name, (-1, 0))[1]
            own = int(metric.timestamp) or int(message.timestamp)
            turn = (0, own) if metric.is_historical else (1, 0)
            while name in found.get(turn, {}):  # told twice: two measurements
                turn = (turn[0], turn[1] + 1)
            found.setdefault(turn, {})[name] = value_of(metric, datatype)
            times[turn] = max(times.get(turn, 0), own)
            self._counts["sparkplug_ignored"] += metric.WhichOneof("value") in _OTHER_KINDS
        return [
            found[turn] | {"timestamp": times[turn] / 1000 if times[turn] else None} for turn in sorted(found)
        ]


def place_of(topic: str) -> Place | None:
    """Return who sent a message to that topic; None: what hosts say, which is nothing to us.

    >>> place_of("spBv1.0/plant/DDATA/press/pump")
    Place(group='plant', kind='DDATA', edge='press', device='pump')
    """
    namespace, *levels = topic.split("/")
    if namespace == NAMESPACE and len(levels) in (3, 4) and levels[1] in _BIRTHS + _DEATHS + _DATA:
        group, kind, edge, *devices = levels
        if (kind[0] == "D") == bool(devices) and all(levels):
            return Place(group, kind, edge, devices[0] if devices else "")
    if namespace == NAMESPACE and ("STATE" in levels[:1] or levels[1:2] in ([kind] for kind in _COMMANDS)):
        return None
    raise Undecodable("bad_topic", f"not a topic of Sparkplug B; it is as {NAMESPACE}/group/NDATA/edge")


def tells_all(filters: Iterable[str]) -> bool:
    """Tell whether filters bring all messages of the edge nodes that they bring any of.

    >>> tells_all(["spBv1.0/plant/#"]), tells_all(["spBv1.0/+/DDATA/#"]), tells_all(["spBv1.0/+/+/+/pump"])
    (True, False, False)
    """
    return all(
        levels[-1] == "#" and len(levels) <= 5 and (len(levels) < 4 or levels[2].startswith("+"))
        for levels in (text.split("/") for text in filters)
    )


def _bury(edge: _Edge, place: Place, message: Any) -> None:
    """Forget what a BIRTH told; unless it is the will of an earlier session, which came late."""
    if place.device:
        edge.born.pop(place.device, None)
    elif _session(message.metrics) != edge.session:
        return
    else:
        edge.born.clear()
        edge.seq = -1
        log.info("sparkplug_death", group=place.group, edge=place.edge)
    edge.packed = b""


def _session(metrics: Iterable[Any]) -> int:
    """Return the ``bdSeq``, which a NBIRTH and the NDEATH that ends it have in common."""
    for metric in metrics:
        number = value_of(metric, 0) if metric.name == "bdSeq" else None
        if isinstance(number, int):
            return number
    return -1
