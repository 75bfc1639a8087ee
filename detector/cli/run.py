"""``kyori run``."""

from __future__ import annotations

import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\
  kyori run
  kyori run /etc/kyori/config.yaml
  kyori run --once config.yaml      end when all files are read
  kyori run --watch config.yaml     reload whenever the file has changed
"""


def run(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    once: Annotated[bool, typer.Option("--once", help="End when all finite sources have ended.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Reload when the file changes, as `reload: {watch: true}` in it.")
    ] = False,
) -> None:
    """Run the daemon: read, score, learn and alert until SIGTERM.

    It goes on exactly where it stopped. A second SIGTERM ends it at once. SIGHUP reloads the configuration.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # one that comes early waits, and is answered
    import structlog  # noqa: PLC0415 - kyori --help shall not wait for it

    from detector.logs import REPEATS, configure  # noqa: PLC0415
    from detector.registry import load_config, warnings  # noqa: PLC0415
    from detector.statedir import StateDir  # noqa: PLC0415

    checked = load_config(config)
    configure(checked.log.level, checked.log.format, repeats=REPEATS)
    for warning in warnings(checked):
        structlog.get_logger().warning("config_warning", **asdict(warning))
    state_dir = StateDir.open(checked.state_dir)  # before the slow imports: a second daemon ends at once
    from detector.daemon import Daemon  # noqa: PLC0415

    daemon = Daemon(checked, state_dir=state_dir, watch=watch)
    daemon.answer_signals()
    daemon.run(once=once)
