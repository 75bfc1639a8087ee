"""The reason for an alert: features by their share, and a sentence for the person who reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from detector.contracts import NOTABLE, Floats, Reason
from detector.settings import Feature

_FAR = 100  # beyond it a level is only a number
_CONSTANT = 1e-9  # a relative standard deviation that no sensor has


def reasons(
    features: Sequence[Feature], x: Floats, shares: Floats, expected: Floats, sd: Floats
) -> tuple[Reason, ...]:
    """Return every feature's part in an anomaly, by falling size of its share.

    Parameters
    ----------
    features : sequence of Feature
        The d features.
    x, shares, expected, sd : ndarray of shape (d,)
        The record, and what `detector.scores.Scores` says of it.
    """
    order = np.argsort(-np.abs(shares), kind="stable")
    return tuple(_reason(features[j], x[j], shares[j], expected[j], sd[j]) for j in order.tolist())


def _reason(feature: Feature, value: float, share: float, expected: float, sd: float) -> Reason:
    direction = "below" if value < expected else "above"
    if feature.log:  # back to the unit that the sensor speaks; sd by the delta method
        value, expected = math.exp(min(value, 700.0)), math.exp(min(expected, 700.0))
        sd *= expected
    known = math.isfinite(value) and math.isfinite(expected) and math.isfinite(sd)
    return Reason(
        name=feature.name,
        unit=feature.unit,
        value=float(value) if math.isfinite(value) else None,
        expected=float(expected) if known else None,
        sd=float(sd) if known else None,
        share=float(share),
        direction=direction if known else "",
    )


def sentence(
    key: str, reasons: Sequence[Reason], level: float, most: int, given: Sequence[str] = (), known: str = ""
) -> str:
    """Return the reason as a sentence.

    Parameters
    ----------
    key : str
        The model; may be empty.
    reasons : sequence of Reason
        By falling size of their share.
    level : float
        Distance in units of the threshold.
    most : int
        Features to name at most; those with a share below 10 %, up or down, are left out, but the first.
    given : sequence of str
        The context in which that was to be expected of the first feature.
    known : str
        The class of a known fault that it is like; "" = none.

    Examples
    --------
    >>> why = [Reason("vibration", "mm/s", 7.9, 3.2, 0.4, 0.9, "above")]
    >>> sentence("pump 3", why, 2.5, 3, ["flow", "temperature"])
    'pump 3: vibration 7.9 mm/s, expected 3.2 ± 0.4 at this flow and temperature (2.5 x the threshold)'
    """
    named = notable(reasons, most)
    text = "; ".join(_phrase(reason, given if reason is named[0] else ()) for reason in named)
    far = f"{level:.3g} x" if level <= _FAR else f"over {_FAR} x"
    like = f", like {'the known fault ' + known if known != 'real' else 'a known fault'}" if known else ""
    return f"{key + ': ' if key else ''}{text} ({far} the threshold{like})"


def notable(reasons: Sequence[Reason], most: int) -> list[Reason]:
    """Return the reasons to name: at most so many, none with a small share but the first."""
    return [reason for i, reason in enumerate(reasons[:most]) if i == 0 or abs(reason.share) >= NOTABLE]


def _phrase(reason: Reason, given: Sequence[str]) -> str:
    unit = f" {reason.unit}" if reason.unit else ""
    if reason.value is None:
        return f"{reason.name} missing"
    if reason.expected is None or reason.sd is None:
        return f"{reason.name} {reason.value:.4g}{unit}"
    if reason.sd < _CONSTANT * abs(reason.expected):
        return f"{reason.name} {reason.value:.4g}{unit}, so far always {reason.expected:.4g}"
    here = f" at this {' and '.join(given)}" if given else ""
    return f"{reason.name} {reason.value:.4g}{unit}, expected {reason.expected:.4g} ± {reason.sd:.2g}{here}"
