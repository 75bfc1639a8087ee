"""The demo from start to end: broker, daemon, replay, figures."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from detector.config.load import load_text
from detector.config.server import PORT
from detector.daemon import Daemon
from detector.demo.broker import Broker
from detector.demo.replay import Replay
from detector.demo.show import shown
from detector.demo.summary import Summary, read_episodes, read_incidents, summarise, timestamp
from detector.errors import KyoriError
from detector.metric.learned import Metric
from detector.registry import DISTANCES, sink_options, source_options
from detector.web.site import Site

TOPIC = "datacentre/omi-2/metrics"
SPEED = 120.0
"""Records a second, which brings the bundled file to its end in about 36 s."""
_PORTS = 20
"""So many are tried."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo leaves behind: its figures, its directory, and the alerts in it.

    Attributes
    ----------
    metric : Metric
        The learned metric that every record went through.
    second_anomalies : int
        Records that it alone would have called anomalies.
    """

    summary: Summary
    directory: Path
    alerts_file: Path
    metric: Metric
    second_anomalies: int

    @property
    def second(self) -> str:
        """Whether the metric decides or is a second score, and the figures by which that was chosen."""
        figures = self.metric.figures
        role = "decides" if figures["promoted"] else "second score"
        own, usual = figures["average_precision"], figures["average_precision_default"]
        return f"{role}: average precision {own:.2f}, default detector {usual:.2f} (on other servers)"


def examples() -> Path:
    """Return the directory of the bundled examples: in the wheel, or in the checkout."""
    packaged = Path(__file__).parents[1] / "_examples"
    found = packaged if packaged.is_dir() else Path(__file__).parents[2] / "examples"
    if not (found / "demo.yaml").is_file():
        raise KyoriError(f"the bundled examples are not at {found}; install kyori again")
    return found


def run(*, for_s: float | None, speed: float, keep: bool, live: bool) -> Outcome:
    """Run the demo.

    Parameters
    ----------
    for_s : float or None
        Seconds of replay; None: the whole file.
    speed : float
        Records a second.
    keep : bool
        Leave the state beside the alerts file.
    live : bool
        Draw a live panel on stderr, instead of plain lines.
    """
    data = examples()
    with Broker() as broker:
        directory = Path(tempfile.mkdtemp(prefix="kyori-demo-"))
        try:
            return _replay(data, broker, directory, for_s=for_s, speed=speed, live=live)
        finally:
            if not keep:
                shutil.rmtree(directory / "state", ignore_errors=True)
            with contextlib.suppress(OSError):
                directory.rmdir()  # only if nothing is in it


def _replay(
    data: Path, broker: Broker, directory: Path, *, for_s: float | None, speed: float, live: bool
) -> Outcome:
    alerts_file = directory / "alerts.jsonl"
    environ = {
        "KYORI_DEMO_DIR": str(directory),
        "KYORI_DEMO_BROKER": f"mqtt://127.0.0.1:{broker.port}",
        "KYORI_DEMO_METRIC": str(data / "asd" / "metric.npz"),
        "KYORI_DEMO_LISTEN": _free_address(),
    }
    config = load_text(
        (data / "demo.yaml").read_bytes(), "demo.yaml", source_options(), sink_options(), DISTANCES,
        environ=environ,
    )  # fmt: skip
    daemon = Daemon(config)
    daemon.answer_signals()
    worker = daemon.workers["server"]
    replay = Replay(data / "asd" / "omi-2.csv", broker.port, TOPIC, speed, for_s)
    with shown(replay, worker.progress, lambda: _page(daemon.site), live=live) as screen:
        follower = _Follower(daemon, replay)

        def each() -> None:
            follower.step()
            screen.update()

        daemon.run(while_running=each)
    replay.halt()
    records = worker.progress.records
    if not records:
        raise KyoriError("the demo was ended before its first record")
    end = timestamp(replay.last_time)
    summary = summarise(
        records, timestamp(replay.first_time), end, read_incidents(data / "asd" / "omi-2.incidents.csv"),
        read_episodes(alerts_file, end),
    )  # fmt: skip
    metric = worker.pipeline.metric
    if metric is None:
        raise KyoriError("the demo's metric is not in force; install kyori again")
    return Outcome(summary, directory, alerts_file, metric, worker.progress.second_anomalies)


def _free_address() -> str:
    """Return where the demo serves: at the usual port, or the next one that is free."""
    for port in range(PORT, PORT + _PORTS):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return f"127.0.0.1:{port}"
    return "127.0.0.1:0"


def _page(site: Site) -> str:
    """Return the address for a person, with the token for changes; "" = it does not listen yet."""
    return f"{site.url}/#token={site.token}" if site.url else ""


class _Follower:
    """Starts the replay when the daemon is connected, and stops the daemon when all has arrived."""

    _PATIENCE_S = 20.0

    def __init__(self, daemon: Daemon, replay: Replay) -> None:
        self._daemon, self._replay = daemon, replay
        self._worker = daemon.workers["server"]
        self._since = time.monotonic()

    def step(self) -> None:
        """Look, and do what is due."""
        now = time.monotonic()
        if self._replay.ident is None:
            if self._worker.connected:
                self._replay.start()
            elif now - self._since > self._PATIENCE_S:
                raise KyoriError("the demo's daemon could not connect to the demo's broker")
            return
        if self._replay.is_alive():
            self._since = now
            return
        if self._worker.progress.records >= self._replay.published or now - self._since > self._PATIENCE_S:
            self._daemon.stop()


def print_summary(outcome: Outcome, *, keep: bool) -> None:
    """Write the figures and what to do next to stdout."""
    summary = outcome.summary
    delay = summary.median_delay
    flagged = outcome.second_anomalies / max(summary.records, 1)
    detected = "-" if delay is None else f"{delay / 60:.0f} min"
    lines = [
        "",
        f"records            {summary.records} ({summary.days:.1f} days of one server, 19 metrics)",
        f"incidents          {len(summary.found)} of {len(summary.incidents)} found, "
        f"{len(summary.incidents) - len(summary.found)} missed",
        f"false alerts       {summary.false_alerts} ({summary.false_alerts_per_day:.2f} a day)",
        f"time to detect     {detected} (median; a record comes every 5 min)",
        f"time in alarm      {summary.in_alarm:.1%}",
        f"metric             {outcome.metric.id}, {outcome.second};",
        f"                   it flags {flagged:.1%} of the records",
        f"alerts             {outcome.alerts_file}",
    ]
    if keep:
        lines.append(f"state              {outcome.directory / 'state'}")
    lines += [
        "",
        "What to try next:",
        "  kyori init --from csv YOUR.csv > config.yaml    a configuration for your data",
        "  kyori run                                       the daemon, with ./config.yaml",
        "  kyori score YOUR.csv --output scores.csv        a score for every row",
        "",
    ]
    sys.stdout.write("\n".join(lines))
