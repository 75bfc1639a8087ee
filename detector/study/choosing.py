"""What `kyori compare` advises: sentences that follow from its figures, and no more than these bear."""

from __future__ import annotations

import math

from detector.study.compare import Row
from detector.study.features import Profile
from detector.study.history import History
from detector.study.replay import Outcome
from detector.study.text import number, percent, share

MARGIN = 0.02
"""A lead in average precision that is worth a change."""
FEW = 5
"""Incidents below which one more or less found is chance."""
_ALIKE, _UNLIKE = 0.8, 0.3
_LOUD = 0.9
_RANKS_WELL, _RANKS_BADLY = 0.85, 0.6
_FLAGS = 0.5
_TOGETHER, _APART = 0.7, 0.3


def advice(rows: list[Row], found: Profile, history: History) -> list[str]:
    """Return what to do, in sentences.

    Parameters
    ----------
    rows : list of Row
        What `detector.study.compare.compare` returned; the first is what is in use.
    found : Profile
        The columns of the same history.
    """
    if len(rows) == 1:
        said = ["nothing to compare: no other setting goes with the context of this configuration"]
    elif history.truth is None:
        said = _without_labels(rows)
    elif not rows[0].outcome.incidents:
        said = ["the labels mark no record that was judged, so all alerts are false ones; fewer are better"]
    else:
        said = _with_labels(rows)
    return said + _columns(found, rows)


def _with_labels(rows: list[Row]) -> list[str]:
    used, best = rows[0], max(rows, key=lambda row: _or_zero(row.ap))
    known, said = used.outcome.incidents, []
    if known < FEW:
        said.append(f"{known} labelled incident{'s' * (known > 1)}: too few to choose by; wait for more")
    if _or_zero(best.ap) - _or_zero(used.ap) < MARGIN:
        said.append(
            f"nothing to choose: no other setting ranks the labelled records better by {MARGIN} or more in "
            "average precision; keep what you have"
        )
    elif _leads_twice(best, used):
        said.append(
            f"{best.name} ranks the labelled records best, AP {share(best.ap)} against {share(used.ap)}, and "
            f"leads in both halves of the history; it finds {_found(best.outcome)} with {number(best.false)} "
            f"false alerts {_unit(rows)}, what you have {_found(used.outcome)} with {number(used.false)}"
            + _verdict(best, used)
        )
    else:
        said.append(
            f"{best.name} has the best AP, {share(best.ap)} against {share(used.ap)}, but does not lead in "
            "both halves of the history: that may be chance; keep what you have"
        )
    if used.auc < _RANKS_BADLY:
        said.append(
            f"what you have hardly tells the labelled records from others (AUC {share(used.auc)}): see "
            "`kyori features --labels` for what the columns can tell"
        )
    elif used.outcome.found < known / 2 and used.hit >= _FLAGS:
        said.append(
            f"what you have flags {percent(used.hit)} of the labelled records but alerts in "
            f"{_found(used.outcome)} incidents only: they are too short for alert.open_after; see "
            "`kyori backtest` for others"
        )
    elif used.outcome.found < known / 2 and used.auc >= _RANKS_WELL:
        said.append(
            f"what you have ranks well (AUC {share(used.auc)}) but alerts in {_found(used.outcome)} "
            "incidents only: its threshold is too far out; see `kyori backtest` for others"
        )
    return said


def _verdict(best: Row, used: Row) -> str:
    """Return what a better ranking is worth with the threshold as it is."""
    if best.outcome.found < used.outcome.found:
        return ": it would need another threshold first"
    return ": worth a try" if used.outcome.incidents >= FEW else ""


def _leads_twice(best: Row, used: Row) -> bool:
    return all(mine > other + MARGIN / 2 for mine, other in zip(best.halves, used.halves, strict=True))


def _found(result: Outcome) -> str:
    return f"{result.found} of {result.incidents}"


def _unit(rows: list[Row]) -> str:
    return "a day" if rows[0].outcome.timed else "in 1,000 records"


def _without_labels(rows: list[Row]) -> list[str]:
    said = [
        "without labels nothing here can tell which setting is right, only how often each would have "
        "alerted and where they agree; mark some known faults and give --labels"
    ]
    used, *others = rows
    if not any(row.flagged for row in rows):
        return [*said, "no setting flags a record: this history looks clean to all of them"]
    alike = [row.name for row in others if row.overlap >= _ALIKE]
    silent = [row.name for row in others if not row.flagged]
    unlike = [row.name for row in others if row.flagged and row.overlap < _UNLIKE]
    if len(alike) == len(others):
        said.append(
            "all settings flag nearly the same records: there is nothing to choose; keep what you have"
        )
    elif alike:
        said.append(f"nearly the same records as now are flagged by {', '.join(alike)}")
    if unlike:
        said.append(
            f"other records than now are flagged by {', '.join(unlike)}: look at some of both in the output "
            "of `kyori score` before you change"
        )
    if silent:
        said.append(f"nothing at all is flagged by {', '.join(silent)}")
    if not used.flagged:
        said.append("what you have flags nothing; others do: look at what they flag")
    return said


def _columns(found: Profile, rows: list[Row]) -> list[str]:
    """Return what the columns say of the distances, whatever the labels say."""
    said = []
    name, part = found.loudest
    if len(found.columns) > 1 and part > _LOUD:
        said.append(
            f"{name} has {percent(part)} of the variance: euclidean, manhattan, chebyshev and minkowski "
            "measure little else"
        )
    pairs = found.common.pairs(0.0)
    if pairs:
        i, j, r = pairs[0]
        one, other = found.columns[i].name, found.columns[j].name
        if abs(r) > _TOGETHER:
            said.append(
                f"{one} and {other} move together (r = {share(r)}): only mahalanobis sees it when they stop"
            )
        elif abs(r) < _APART:
            said.append(
                f"no two columns move together (the largest r is {share(r)}): mahalanobis sees little that "
                "standardized does not"
            )
    return said


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
