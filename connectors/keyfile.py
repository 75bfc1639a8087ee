"""The file of a private key: closed to others, or it is refused."""

from __future__ import annotations

import stat
from pathlib import Path


def closed(key: Path | None) -> Path | None:
    """Return the path; raises `ValueError` where others may use the file, `OSError` where there is none."""
    if key is not None and key.stat().st_mode & stat.S_IRWXO:
        raise ValueError(f"others may use the key {key}; chmod 600 {key}")
    return key
