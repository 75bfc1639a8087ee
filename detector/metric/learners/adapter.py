"""metric-learn 0.7.0, mended where scikit-learn has moved on; no other module imports it.

- scikit-learn 1.8 renamed `force_all_finite` of its checks to `ensure_all_finite`; without this every
  estimator of metric-learn fails.
- scikit-learn 1.5 took `cov_init` from `graphical_lasso`; without this SDML fails.

Both are mended in metric-learn's own names for them, the first only if it is needed; scikit-learn is left
alone. All is imported at the first use, as that takes a second or two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import numpy as np

from detector.contracts import Floats


def components(name: str, *data: Any, **parameters: Any) -> Floats:
    """Fit the estimator of this name, and return its L (k, d)."""
    L = fitted(name, *data, **parameters).components_
    if np.iscomplexobj(L):
        raise np.linalg.LinAlgError("its matrix is complex")
    return np.asarray(L, np.float64)


def fitted(name: str, *data: Any, **parameters: Any) -> Any:
    """Return metric-learn's estimator of this name, fitted to the data."""
    return getattr(_library(), name)(**parameters).fit(*data)


@cache
def _library() -> Any:
    """Return metric-learn, mended."""
    import metric_learn  # noqa: PLC0415
    from sklearn.covariance import _graph_lasso  # noqa: PLC0415

    def lasso(emp_cov: Floats, alpha: float, **others: Any) -> Any:
        """Return covariance and precision, as the public function did when it took `cov_init`."""
        return _graph_lasso._graphical_lasso(emp_cov, alpha, **others)[:2]

    for check in ("check_array", "check_X_y"):
        function = getattr(metric_learn._util, check)
        if "force_all_finite" not in inspect.signature(function).parameters:
            setattr(metric_learn._util, check, _renamed(function))
    metric_learn.sdml.graphical_lasso = lasso
    return metric_learn


def _renamed(check: Callable[..., Any]) -> Callable[..., Any]:
    """Return the check, to be called by the name that its parameter had."""

    @wraps(check)
    def call(*args: Any, force_all_finite: bool | str = True, **others: Any) -> Any:
        return check(*args, ensure_all_finite=force_all_finite, **others)

    return call
