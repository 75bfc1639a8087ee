"""A pipeline with what its settings name: the file of its metric and that of its classes."""

from __future__ import annotations

from pathlib import Path

import structlog

from detector.errors import KyoriError
from detector.labels import stored
from detector.labels.classes import Classes
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.training import files

log = structlog.get_logger()


def assembled(name: str, settings: Settings) -> Pipeline:
    """Return a fresh pipeline that goes through the metric and knows the classes that its settings name.

    Raises
    ------
    KyoriError
        A file cannot be used; the message begins with its path.
    """
    pipeline = Pipeline(name, settings)
    metric = settings.detector.metric
    if metric is not None and metric.file:
        pipeline.use(files.read(Path(metric.file)).metric)
    elif metric is not None:
        log.warning("no_metric_yet", pipeline=name, remedy="without metric.file nothing is learned here")
    if settings.detector.classes:
        pipeline.classes = read_classes(settings.detector.classes, pipeline.vector.names)
    return pipeline


def read_classes(path: str, names: tuple[str, ...]) -> Classes:
    """Return the classes in a file, for these features in their order.

    Raises
    ------
    KyoriError
        It cannot be used, or is of other features.
    """
    try:
        classes, _ = stored.from_bytes(files.read_bytes(Path(path), stored.SIZE_LIMIT))
    except KyoriError as error:
        raise KyoriError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    if classes.metric.features != names:
        raise KyoriError(
            f"{path}: classes of {', '.join(classes.metric.features)}; records have {', '.join(names)}"
        )
    return classes
