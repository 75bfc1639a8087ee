"""What may be asked of the API: queries and bodies, checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from detector.written import Interval

_Text = Annotated[str, Field(max_length=1000)]
_Said = Annotated[str, Field(max_length=256)]
_Pipeline = Annotated[
    str, Field(max_length=200, description="name of a pipeline; may be left out if there is one")
]
_Which = Annotated[str, Field(max_length=200, description="name of a pipeline; default: all")]
_Key = Annotated[_Text, Field(description="key of a model; empty where the pipeline has no key")]


class Asked(BaseModel):
    """A query or a body; what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Asked):
    """Nothing."""


class OfPipeline(Asked):
    """Which pipeline."""

    pipeline: _Which = ""


class Which(Asked):
    """Which keys, and in which order."""

    pipeline: _Which = ""
    q: _Text = Field(default="", description="part of the key, upper and lower case alike")
    sort: Literal["level", "key", "time"] = Field(
        default="level", description="level and time: the highest first; key: by the alphabet"
    )
    limit: int = Field(default=50, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=10_000_000)


class OfStream(Asked):
    """Which key, and how many of its last records."""

    pipeline: _Pipeline = ""
    key: _Key = ""
    records: int = Field(default=300, ge=1, le=5000)


class OfPair(OfStream):
    """Which two features of a key."""

    x: _Text = Field(description="name of a feature")
    y: _Text = Field(description="name of another feature")


class OfPlane(OfStream):
    """How a key is to be embedded."""

    method: Literal["pca", "lfda"] = "pca"


class WhichAlerts(Asked):
    """Which alerts."""

    status: Literal["open", "closed", "all"] = "all"
    pipeline: _Which = ""
    key: _Text | None = Field(default=None, description="key of a model; default: all")
    kind: _Text = Field(default="", description="as distance or stale; default: all")
    limit: int = Field(default=50, ge=1, le=500)
    before: int | None = Field(default=None, ge=0, le=2**53, description="`next` of the answer before")


class Note(Asked):
    """Who takes note of an alert, and why."""

    note: _Said = ""
    by: _Said = ""


class Label(Asked):
    """What an alert was."""

    alert: str = Field(min_length=1, max_length=64, description="its id")
    label: Literal["real", "false", "normal"] = Field(
        description="a true alert, a false alarm, or normal from now on"
    )
    name: str = Field(default="", max_length=64, alias="class", description="what kind of fault it is")
    by: Literal["api", "page"] = Field(default="api", description="by which way it comes")


class Version(Asked):
    """A version of a pipeline's metric."""

    pipeline: _Pipeline = ""
    id: str = Field(min_length=1, max_length=200, description="its id, or the first letters")


class RollBack(Asked):
    """Whose metric goes back to what was in force before."""

    pipeline: _Pipeline = ""


class Learn(Asked):
    """Whether to learn."""

    learning: bool
    pipeline: _Which = ""


class SilenceKeys(Asked):
    """Which keys are to be silent, for how long, and why."""

    keys: str = Field(min_length=1, max_length=256, description="as A/*; * stands for any characters")
    pipeline: _Which = ""
    lasts: Annotated[Interval, Field(gt=0, le=366 * 86400)] = Field(
        alias="for", description="how long, as 30m, 2h or 1d"
    )
    why: str = Field(min_length=1, max_length=256, description="the reason; the alerts carry it")
    by: _Said = ""


class Records(Asked):
    """Records, as a source would bring them."""

    pipeline: _Pipeline = ""
    records: list[dict[str, Any]] = Field(min_length=1, max_length=1000)
    key: _Text | None = Field(
        default=None, description="key of the model that is to judge; default: as the records say"
    )


class OfEvents(Asked):
    """Of which stream each record is to be told, too."""

    pipeline: _Which = ""
    key: _Text | None = Field(default=None, description="key of a model; default: no records are told")
