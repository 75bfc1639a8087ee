"""How fast each way through kyori is, beside a peer in the same run: ``python -m benchmarks.speed``.

A group is one file with one function, and one line in `benchmarks.speed.groups`.
"""

import os

# Before anyone imports numpy: what waits in threads of a library counts as CPU time, too.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
