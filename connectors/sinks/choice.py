"""Which alerts an output for people is told of: the options that these outputs share."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from connectors.options import Options
from connectors.sinks.text import OVER_AT_ONCE
from detector.contracts import Alert

Status = Literal["open", "update", "closed"]


class Choice(Options):
    """Of which alerts to tell."""

    # What was written may hold a secret in the wrong place: no error message may repeat it.
    model_config = ConfigDict(hide_input_in_errors=True)

    on: tuple[Status, ...] = Field(
        default=("open", "update", "closed"),
        min_length=1,
        description="of which notices to tell; a gap and a summary, over at once, go with open or closed",
    )
    least: Literal["warning", "critical"] = Field(
        default="warning", alias="from", description="tell of this severity and above"
    )
    grouped: bool = Field(
        default=False, description="also the alerts that a summary stands for (alert.max_per_minute)"
    )
    quiet: bool = Field(
        default=False, description="also the alerts that are quiet (alert.quiet, silences, acknowledged ones)"
    )

    def wants(self, alert: Alert) -> bool:
        """Return whether to tell of this one."""
        status = alert.status in self.on or (alert.kind in OVER_AT_ONCE and "open" in self.on)
        severe = self.least == "warning" or alert.severity == "critical"
        one_by_one = (self.grouped or not alert.grouped) and (self.quiet or not alert.quiet)
        return status and severe and one_by_one
