"""Reading an alert back from JSON: an alert that says the same again, or `ValueError`."""

from __future__ import annotations

from detector.contracts import Alert, Reason

_ALERT = Alert(
    "2f8a", "open", "distance", "pumps", "p1", 1.5, 1.0, 7, 2, 3.0, 2.0, 1.5, None, "warning", "far",
    (Reason("flow", "l/s", 1.0, 2.0, None, 0.9, "below"),), "m", "", "bearing",
)  # fmt: skip

SEEDS = (_ALERT.to_json().encode(), b"{}", b"[]")


def one(data: bytes) -> None:
    """Read an alert; what was read and can be written is read as the same again."""
    try:
        alert = Alert.from_json(data)
        text = alert.to_json()
    except ValueError:  # also of a number that is none, which `to_json` refuses
        return
    assert Alert.from_json(text) == alert
