"""Which template a message has: Drain, a few masks before it, and how usual template and numbers are.

The templates are stored by us, as JSON: the library would pickle them. What is stored is all that Drain goes
by, its tree included, so that after a restart each message gets the template that it would have got.
"""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple, cast

from drain3.drain import Drain, LogCluster, Node

from connectors.logs.options import TemplateOptions

_LONGEST = 400
"""So many characters of a message make its template, and so many words of so many characters."""
_MOST_WORDS, _LONGEST_WORD = 48, 48
_EMPTY = "<empty>"
"""Stands for a message without a word, which Drain keeps apart, and for which it forgets to forget."""
_NUMBERS = 3
"""So many of a message's numbers are compared with those of its template before."""
_YOUNG = 10
"""A template's numbers are compared when there have been so many."""
_MOST_Z = 100.0
_SPREAD = 0.05
"""No number is taken to spread less than 5 %: a constant that changes for once is no infinity."""

_MASKS = re.compile(
    r"(?P<secret>(?i:\b\w{0,20}(?:passw(?:or)?d|passwd|secret|token|api_?key)[\"']?\s?[=:]\s?)\S+"
    r"|(?i:\b(?:bearer|basic) )\S{8,})"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    r"|(?P<ip>(?<![\w.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w.]\w)(?::\d{1,5})?"
    r"|(?<![\w:])[0-9a-fA-F]{0,4}:(?:[0-9a-fA-F]{0,4}:){1,6}[0-9a-fA-F]{1,4}(?![\w:]))"
    r"|(?P<hex>\b0[xX][0-9a-fA-F]+\b|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b)"
    r"|(?P<n>(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\d.]*\d)(?=[a-zA-Z%]{0,3}(?!\w)))"
    r"|(?P<d>\d+)"
)


class Told(NamedTuple):
    """What is known of a message.

    Attributes
    ----------
    template : int
        Its number, from 1.
    new : bool
        Whether it is the first of its template.
    rarity : float
        ``−log((c + 1)/(n + t + 1))`` of c earlier messages of this template among n, and t templates.
    number : float
        Its first number; NaN if it has none.
    number_z : float
        The largest distance of its numbers from those of its template before, in standard deviations.
    """

    template: int
    new: bool
    rarity: float
    number: float
    number_z: float


class _Latest(OrderedDict[int, LogCluster]):
    """The clusters that were used last, as Drain wants them: ``[]`` uses one, `get` does not."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __getitem__(self, number: int) -> LogCluster:
        self.move_to_end(number)
        return super().__getitem__(number)

    def __setitem__(self, number: int, cluster: LogCluster) -> None:
        super().__setitem__(number, cluster)
        if len(self) > self._most:
            self.popitem(last=False)

    def get(self, number: int, default: Any = None) -> Any:
        return super().__getitem__(number) if number in self else default

    def popitem(self, last: bool = True) -> tuple[int, LogCluster]:
        number = next(reversed(self) if last else iter(self))
        cluster = super().__getitem__(number)
        del self[number]
        return number, cluster


class Templates:
    """Learns templates, message by message.

    Parameters
    ----------
    options : TemplateOptions
        How alike messages of a template are, and how many templates are kept.

    Examples
    --------
    >>> templates = Templates(TemplateOptions())
    >>> [templates.learn(f"user {name} took {ms} ms").template for name, ms in (("ann", 3), ("bob", 5))]
    [1, 1]
    >>> templates.text(1)
    'user <*> took <n> ms'
    """

    def __init__(self, options: TemplateOptions) -> None:
        self._drain = Drain(sim_th=options.similarity, max_clusters=options.max)
        self._latest = _Latest(options.max)
        self._drain.id_to_cluster = cast("MutableMapping[int, LogCluster | None]", self._latest)
        self._learned = 0
        self._moments: dict[int, list[list[float]]] = {}
        self._written: dict[int, str] = {}  # as they are in the state; those that have changed are left out
        self._tree = ""

    def __len__(self) -> int:
        return len(self._latest)

    def text(self, template: int) -> str:
        """Return a template as text; "" if it is not kept any more."""
        cluster = self._latest.get(template)
        return cluster.get_template() if cluster is not None else ""

    def learn(self, message: str) -> Told:
        """Tell how usual a message is, and learn it."""
        masked, numbers = mask(message)
        words = [word[:_LONGEST_WORD] for word in masked.split()[:_MOST_WORDS]]
        cluster, change = self._drain.add_log_message(" ".join(words) or _EMPTY)
        rarity = math.log((self._learned + len(self) + 1) / cluster.size)
        self._learned += 1
        new = change == "cluster_created"
        if new:
            self._tree = ""
            self._forget()
        self._written.pop(cluster.cluster_id, None)
        z = self._compare(cluster.cluster_id, numbers[:_NUMBERS])
        return Told(cluster.cluster_id, new, rarity, numbers[0] if numbers else math.nan, z)

    def _compare(self, template: int, numbers: list[float]) -> float:
        """Return the largest standardised distance of these numbers, of their logarithms, and learn them."""
        if not numbers:
            return 0.0
        moments = self._moments.setdefault(template, [])
        largest = 0.0
        for place, number in enumerate(numbers):
            if place == len(moments):
                moments.append([0.0, 0.0, 0.0])
            one = moments[place]
            value = math.asinh(number)
            count, mean, squares = one
            if count >= _YOUNG:
                spread = math.sqrt(squares / (count - 1.0) + _SPREAD**2)
                largest = max(largest, min(abs(value - mean) / spread, _MOST_Z))
            one[0] = count + 1.0
            one[1] = round(
                mean + (value - mean) / one[0], 6
            )  # which is exact enough, and stored in half the room
            one[2] = round(squares + (value - mean) * (value - one[1]), 6)
        return largest

    def _forget(self) -> None:
        """Forget what belongs to templates that are not kept any more, now and then."""
        for kept in (self._moments, self._written):
            if len(kept) > 2 * len(self._latest):
                for number in [number for number in kept if number not in self._latest]:
                    del kept[number]

    def state(self) -> str:
        """Return all that is known, as JSON; only what has changed since the last call is written anew."""
        clusters = ",".join([self._write(number) for number in self._latest])
        self._tree = self._tree or json.dumps(self._saved(self._drain.root_node))
        return (
            f'{{"learned": {self._learned}, "last": {self._drain.clusters_counter}, '
            f'"clusters": [{clusters}], "tree": {self._tree}}}'
        )

    def _write(self, number: int) -> str:
        text = self._written.get(number)
        if text is None:
            cluster = self._latest.get(number)
            of = [number, cluster.size, cluster.get_template(), self._moments.get(number, [])]
            text = self._written[number] = json.dumps(of)
        return text

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`, parsed; raises `ValueError`, `KeyError` or `TypeError` where it is none."""
        self._learned = int(state["learned"])
        self._drain.clusters_counter = int(state["last"])
        for number, size, text, moments in state["clusters"]:
            cluster = LogCluster(text.split(), int(number))
            cluster.size = int(size)
            self._latest[int(number)] = cluster
            if moments:
                self._moments[int(number)] = [[float(value) for value in one] for one in moments]
        self._drain.root_node = _node(state["tree"])

    def _saved(self, node: Node) -> list[Any]:
        children = {word: self._saved(child) for word, child in node.key_to_child_node.items()}
        return [children, [number for number in node.cluster_ids if number in self._latest]]


def _node(saved: Any) -> Node:
    children, clusters = saved
    node = Node()
    node.key_to_child_node = {str(word): _node(child) for word, child in children.items()}
    node.cluster_ids = [int(number) for number in clusters]
    return node


def mask(message: str) -> tuple[str, list[float]]:
    """Return the message with what varies replaced, and its numbers.

    >>> mask("took 31.5ms from 10.0.0.7:4711 for job42, token=abc")
    ('took <n>ms from <ip> for job<n>, <secret>', [31.5])
    """
    numbers: list[float] = []

    def replaced(found: re.Match[str]) -> str:
        kind = found.lastgroup
        if kind == "n":
            numbers.append(float(found[0][:32]))
        return f"<{'n' if kind == 'd' else kind}>"

    return _MASKS.sub(replaced, message[:_LONGEST]), numbers
