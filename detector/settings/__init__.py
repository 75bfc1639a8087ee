"""Every setting of the deciding side, with its default: the one place where a default is written.

`detector.config` reads them from ``config.yaml``; Python users pass them directly. The text forms
(``30s``, ``0.1 %``, ``3 of 5``) are understood by the types themselves, so both ways in mean the same;
what comes out is plain numbers: seconds, and shares in 0..1. The JSON Schema of these models
describes what may be written, not what comes out.
"""

from __future__ import annotations

from detector.settings.base import MOST_LAGS, Settings
from detector.settings.cleaning import Clean, Convert, Hampel, Residual
from detector.settings.detector import (
    Covariance,
    Detector,
    Parts,
    Reference,
    Threshold,
    Warmup,
)
from detector.settings.metric import Metric, Promote, Retrain
from detector.settings.modes import Modes
from detector.settings.pipeline import Alerting, Limits, OpenAfter, Outbox, Pipeline, Severity
from detector.settings.quiet import QuietWindow
from detector.settings.record import Context, Feature, Missing, Record, Time
from detector.settings.watching import LEAST_WINDOW, Drift, Shift, Watch
from detector.settings.waveform import Waveform

__all__ = [
    "LEAST_WINDOW",
    "MOST_LAGS",
    "Alerting",
    "Clean",
    "Context",
    "Convert",
    "Covariance",
    "Detector",
    "Drift",
    "Feature",
    "Hampel",
    "Limits",
    "Metric",
    "Missing",
    "Modes",
    "OpenAfter",
    "Outbox",
    "Parts",
    "Pipeline",
    "Promote",
    "QuietWindow",
    "Record",
    "Reference",
    "Residual",
    "Retrain",
    "Settings",
    "Severity",
    "Shift",
    "Threshold",
    "Time",
    "Warmup",
    "Watch",
    "Waveform",
]
