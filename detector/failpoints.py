"""Named places where a test may have the process killed.

``KYORI_FAILPOINT=after_commit`` sends SIGKILL to the process when it first comes by that place,
``after_commit:3`` when it comes by for the third time. Unset, a failpoint is an empty function.
"""

from __future__ import annotations

import itertools
import os
import signal

_NAME, _, _COUNT = os.environ.get("KYORI_FAILPOINT", "").partition(":")

if _NAME:
    _fatal = int(_COUNT or 1)
    _passes = itertools.count(1)

    def failpoint(name: str) -> None:
        """Kill this process if the environment names this place and the count is reached."""
        if name == _NAME and next(_passes) == _fatal:
            os.kill(os.getpid(), signal.SIGKILL)

else:

    def failpoint(name: str) -> None:
        """Do nothing: no failpoint is set."""
