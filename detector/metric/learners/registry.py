"""Every learner, by name: the one place to add a line for a new file."""

from __future__ import annotations

from detector.metric.learners import (
    covariance,
    itml,
    kissme,
    lfda,
    lmnn,
    lsml,
    mlkr,
    mmc,
    nca,
    rca,
    scml,
    sdml,
    standardize,
)
from detector.metric.learners.examples import Learner

LEARNERS: dict[str, Learner] = {
    learner.name: learner
    for learner in (
        standardize.LEARNER,
        covariance.LEARNER,
        kissme.LEARNER,
        mmc.LEARNER,
        mmc.DIAGONAL,
        lmnn.LEARNER,
        itml.LEARNER,
        nca.LEARNER,
        lfda.LEARNER,
        rca.LEARNER,
        mlkr.LEARNER,
        sdml.LEARNER,
        lsml.LEARNER,
        scml.LEARNER,
    )
}
