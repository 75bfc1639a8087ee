"""The list of what the API answers: path, what is asked, what is answered, and who answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from detector.web import alerts, answers, asked, judged, quieting
from detector.web.office import Office


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One request that is answered with JSON.

    Attributes
    ----------
    method, path : str
        Of HTTP; ``{id}`` in the path is given as a text.
    summary : str
        What it does.
    asked : type of Asked
        The query of a GET or DELETE, the body of a POST.
    answer : type
        A shape of `detector.web.answers`.
    call : callable
        ``(office, asked, path parameters) -> answer``; may wait, and may raise `Refusal`.
    refusals : tuple of int
        Statuses of HTTP besides those that any request may have.
    """

    method: str
    path: str
    summary: str
    asked: type[asked.Asked]
    answer: Any
    call: Callable[[Office, Any, Mapping[str, str]], Any]
    refusals: tuple[int, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it changes anything, and so needs the token."""
        return self.method != "GET"


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "GET", "/v1/overview", "How it stands with the daemon and its pipelines",
        asked.Nothing, answers.Overview, lambda office, _, __: office.overview(),
    ),
    Endpoint(
        "GET", "/v1/streams", "The keys, ranked, with the newest record of each",
        asked.Which, answers.Streams, lambda office, of, _: office.streams(of), (404,),
    ),
    Endpoint(
        "GET", "/v1/streams/window", "The last records of a key, and what was expected of them",
        asked.OfStream, answers.Window, lambda office, of, _: office.window(of), (404,),
    ),
    Endpoint(
        "GET", "/v1/streams/ellipse", "Two features of a key, with the ellipse and the circle of one radius",
        asked.OfPair, answers.Ellipse, lambda office, of, _: office.ellipse(of), (404, 409),
    ),
    Endpoint(
        "GET", "/v1/streams/embedding", "The records of a key in a plane, by PCA or LFDA",
        asked.OfPlane, answers.Embedding, lambda office, of, _: office.embedding(of), (404, 409),
    ),
    Endpoint(
        "GET", "/v1/alerts", "Alerts, the newest first",
        asked.WhichAlerts, answers.Alerts, lambda office, of, _: alerts.listed(office, of), (404,),
    ),
    Endpoint(
        "GET", "/v1/alerts/{id}", "All there is about an alert",
        asked.Nothing, answers.AlertPage, lambda office, _, path: alerts.page(office, path["id"]), (404,),
    ),
    Endpoint(
        "POST", "/v1/alerts/{id}/ack", "Say that an open alert was seen: it is not repeated",
        asked.Note, answers.Done, lambda office, of, path: quieting.ack(office, path["id"], of), (404,),
    ),
    Endpoint(
        "POST", "/v1/alerts/{id}/unack", "Take that back",
        asked.Nothing, answers.Done, lambda office, _, path: quieting.unack(office, path["id"]), (404,),
    ),
    Endpoint(
        "GET", "/v1/silences", "Quiet windows of the configuration, and what people have silenced",
        asked.Nothing, answers.Silences, lambda office, _, __: quieting.told(office),
    ),
    Endpoint(
        "POST", "/v1/silences", "Tell nobody of these keys' alerts for a while",
        asked.SilenceKeys, answers.SilencesMade, lambda office, of, _: quieting.silence(office, of), (404,),
    ),
    Endpoint(
        "DELETE", "/v1/silences/{id}", "End a silence; what it held back and still lasts is told",
        asked.Nothing, answers.Done, lambda office, _, path: quieting.unsilence(office, path["id"]), (404,),
    ),
    Endpoint(
        "POST", "/v1/labels", "Say what an alert was; it counts from the next record on",
        asked.Label, answers.LabelTaken, lambda office, of, _: office.label(of), (404,),
    ),
    Endpoint(
        "GET", "/v1/labels", "What people have said of alerts, the newest last",
        asked.Nothing, answers.Labels, lambda office, _, __: office.labels(),
    ),
    Endpoint(
        "GET", "/v1/models", "The versions of metrics",
        asked.OfPipeline, answers.Models, lambda office, of, _: office.models(of), (404,),
    ),
    Endpoint(
        "POST", "/v1/models/promote", "Put a version of a metric in force",
        asked.Version, answers.InForce, lambda office, of, _: office.promote(of), (404, 409),
    ),
    Endpoint(
        "POST", "/v1/models/rollback", "Put in force what was before",
        asked.RollBack, answers.InForce, lambda office, of, _: office.roll_back(of), (404, 409),
    ),
    Endpoint(
        "POST", "/v1/learn", "Pause learning, or go on with it; a restart changes nothing of that",
        asked.Learn, answers.LearningNow, lambda office, of, _: office.learn(of), (404, 409),
    ),
    Endpoint(
        "POST", "/v1/reload", "Read the configuration again, as SIGHUP does",
        asked.Nothing, answers.Reloaded, lambda office, _, __: office.read_again(), (409,),
    ),
    Endpoint(
        "POST", "/v1/score", "Judge records by the models as they are now; nothing is learned",
        asked.Records, answers.Scored, lambda office, of, _: judged.score(office, of), (404,),
    ),
    Endpoint(
        "POST", "/v1/nearest", "The class that each record is nearest to",
        asked.Records, answers.NearestAll, lambda office, of, _: judged.nearest(office, of), (404, 409),
    ),
    Endpoint(
        "GET", "/v1/config", "The configuration in force, secrets masked",
        asked.Nothing, answers.ConfigNow, lambda office, _, __: office.configuration(),
    ),
)  # fmt: skip
