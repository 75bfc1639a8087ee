"""Whether the kyori of this container is ready: exit code 0, or 1 and why. Called by HEALTHCHECK.

``python healthcheck.py STATE_DIR``. A daemon with `server` in its configuration has its address in
STATE_DIR/server.json; without one there is nothing to ask, and it is enough that its process lives.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

_TIMEOUT_S = 4.0


def problem(state_dir: Path) -> str:
    """Return what is wrong; "": nothing, as far as can be told."""
    try:
        url: str = json.loads((state_dir / "server.json").read_text(encoding="utf-8"))["url"]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{state_dir / 'server.json'}: {error!r}"
    if not url.startswith(("http://", "https://")):
        return f"{url!r} is no address of a server"
    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/readyz", timeout=_TIMEOUT_S).close()  # noqa: S310 - checked
    except OSError as error:
        return f"{url}: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(problem(Path(sys.argv[1])) or None)
