"""What passes between the parts: a batch of records in, verdicts and alerts out.

Connectors know this module and `detector.errors`, nothing else of `detector`. Times are unix
seconds as float64; a missing number is NaN, a missing text is None. A batch is a struct of arrays:
one record is a batch of one row, and no Python object is made per record between decoding and alert.
"""

from detector.contracts.alert import NOTABLE, Alert, Reason
from detector.contracts.arrays import LARGEST, MOST_SAMPLES, Floats, Objects
from detector.contracts.batch import Batch, Gap, Rejected
from detector.contracts.layout import Join, Layout, Statistic, Wave
from detector.contracts.protocols import Sink, Source
from detector.contracts.state import KeyState, States

__all__ = [
    "LARGEST", "MOST_SAMPLES", "NOTABLE", "Alert", "Batch", "Floats", "Gap", "Join", "KeyState", "Layout",
    "Objects", "Reason", "Rejected", "Sink", "Source", "States", "Statistic", "Wave",
]  # fmt: skip
