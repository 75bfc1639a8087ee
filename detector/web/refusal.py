"""What cannot be done for whoever asks, as an answer of HTTP."""

from __future__ import annotations

from detector.errors import KyoriError


class Refusal(KyoriError):  # noqa: N818 - not a failure of ours
    """It cannot be done.

    Attributes
    ----------
    status : int
        Of HTTP: 404 there is no such thing, 409 not as it stands now, 422 it makes no sense.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
