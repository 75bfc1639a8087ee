"""Cuts a recording, a WAV file, into windows: each is a record with its samples.

A record's fields are ``wave``, the first channel, ``wave2``, ``wave3`` ... the others, and ``time``, when the
window begins: by the time in the file's name where there is one, else in seconds from the recording's start.
What is left at the end and fills no window is no record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from connectors.decode.errors import Undecodable
from connectors.decode.riff import Form, Stream, header
from connectors.decode.rows import RowBuilder
from connectors.decode.times import Times
from detector.contracts import MOST_SAMPLES, Floats, Layout, Wave

_PIECE = 2**14
_FIELD = re.compile(r"wave([2-9]|[1-9][0-9])?")
_STAMP = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)[T_ -](\d\d)[-:.]?(\d\d)[-:.]?(\d\d)(?:[.,](\d{1,6}))?(?!\d)(Z?)"
)


def begins(name: str, times: Times) -> float:
    """Return the time in the name of a recording; 0 where there is none.

    >>> begins("press-3_20261130_110500", Times()), begins("a2", Times())
    (1796036700.0, 0.0)
    """
    stamp = _STAMP.search(name)
    if stamp is None:
        return 0.0
    year, month, day, hour, minute, second, part, utc = stamp.groups()
    start = times.read(f"{year}-{month}-{day} {hour}:{minute}:{second}.{part or 0:0<6}{utc}")
    return 0.0 if math.isnan(start) else start


class WavReading:
    """Gives the windows of a recording; a `connectors.sources.reading.Reading`.

    Parameters
    ----------
    read : callable
        As `Stream` takes it; from the first byte of the file on.
    layout : Layout
        Its waves say how long a window is.
    place, name : str
        The file, for messages, and its name without its endings.
    labels : mapping of str to str
        What the source knows beside the records.
    saved : mapping
        An earlier `state`, or empty.
    """

    def __init__(
        self,
        read: Callable[[int], bytes | None],
        layout: Layout,
        place: str,
        name: str,
        labels: Mapping[str, str],
        saved: Mapping[str, Any],
    ) -> None:
        self._stream = Stream(read)
        self._waves = [wave for wave in layout.waves if _FIELD.fullmatch(wave.field)]
        self._place, self._labels = place, labels
        self._start = begins(name, Times("auto", layout.timezone))
        self._row: int = saved.get("row", 0)
        self._form: Form | None = None
        self.broken = False

    def state(self) -> dict[str, Any]:
        """Return where the next `fill` begins."""
        return {"row": self._row}

    def fill(self, builder: RowBuilder, limit: int) -> bool:
        """Add up to `limit` windows; False when nothing more can come."""
        try:
            if self._form is None:
                self._form = self._begin()
            for _ in range(limit):
                window = self._next(self._form)
                if window is None:
                    return False
                builder.add(self._record(window, self._form), self._labels, f"{self._place}:{self._row}")
                self._row += 1
        except Undecodable as error:
            builder.reject(error.reason, error.detail, f"{self._place}:{self._row}")
            self.broken = True
            return False
        return True

    def _begin(self) -> Form:
        """Read the header, and pass over the windows that were read before."""
        form = header(self._stream)
        if not self._waves:
            raise Undecodable(
                "no_waveform", "a recording needs a feature with from: waveform and field: wave, or wave2 ..."
            )
        wave = next((wave for wave in self._waves if wave.rate != form.rate), None)
        if wave is not None:
            raise Undecodable(
                "wrong_rate",
                f"recorded at {form.rate} Hz, but rate_hz is {wave.rate:g}; convert it, or mend rate_hz",
            )
        self._width, self._hop = _frames(self._waves[0], form)
        self._left = math.inf if form.frames is None else form.frames
        self._kept, self._gap = np.empty((0, form.channels)), self._row * self._hop
        return form

    def _next(self, form: Form) -> Floats | None:
        """Return the next window, (n, channels); None where no whole one is left."""
        while self._gap > 0 and self._take(piece := min(self._gap, _PIECE), form):
            self._gap -= piece
        wanted = self._width - len(self._kept)
        data = self._take(wanted, form)
        if len(data) < wanted * form.frame:
            if not self._row:
                raise Undecodable("too_short", f"less than a window of {self._waves[0].window:g} s")
            return None
        window = np.concatenate([self._kept, form.samples(data)])
        self._kept, self._gap = window[self._hop :], max(0, self._hop - self._width)
        return window

    def _take(self, frames: int, form: Form) -> bytes:
        """Read so many frames, less at the end, which must be where the header has it."""
        wanted = int(min(frames, self._left)) * form.frame
        data = self._stream.take(wanted)
        self._left -= len(data) // form.frame
        if len(data) < wanted and form.frames is not None:
            raise Undecodable("truncated_wav", f"{self._left} samples are missing that the header tells of")
        return data

    def _record(self, window: Floats, form: Form) -> dict[str, object]:
        channels = {f"wave{i + 1}" if i else "wave": window[:, i] for i in range(form.channels)}
        return {"time": self._start + self._row * self._hop / form.rate, **channels}


def _frames(wave: Wave, form: Form) -> tuple[int, int]:
    """Return how many frames a window has, and how many lie between the starts of two."""
    width, hop = max(1, round(wave.window * form.rate)), max(1, round(wave.hop * form.rate))
    if width * form.channels > MOST_SAMPLES:
        raise Undecodable(
            "too_long",
            f"a window of {wave.window:g} s has {width * form.channels} samples; at most {MOST_SAMPLES} are "
            "allowed, so write a shorter one",
        )
    return width, hop
