"""Where the time of a real `kyori run` goes: ``python -m benchmarks.profile csv``.

py-spy looks at the daemon a hundred times a second, from outside; what it saw is drawn as a flame graph, and
the places where most of it was spent are printed. ``make profile`` has py-spy.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

from benchmarks.process import kyori, write_config
from benchmarks.speed import files

_RECORDS = 1_000_000
_FRAME = re.compile(r"<title>(.+?) \(([\d,]+) samples?, ([\d.]+)%\)</title>")
_OURS = ("detector/", "connectors/")
_SHOWN = 25


def record(way: str, records: int, picture: Path) -> None:
    """Let py-spy watch a daemon that reads so many records."""
    with tempfile.TemporaryDirectory() as folder:
        csv, jsonl = Path(folder) / "in.csv", Path(folder) / "in.jsonl"
        files.write(files.draw(records), csv, jsonl)
        path = {"csv": csv, "jsonl": jsonl}[way]
        config = write_config(Path(folder), files.FIELDS, {"type": "file", "paths": [str(path)]})
        spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
        if spy is None:
            raise SystemExit("py-spy is not installed; `make profile` has it, or: pip install py-spy")
        watch = [spy, "record", "--output", str(picture), "--format", "flamegraph", "--", *kyori()]
        subprocess.run([*watch, "run", str(config), "--once"], check=True, stdout=sys.stderr)


def most(picture: str) -> list[tuple[float, str]]:
    """Return share and place of the functions of ours that were seen most, with what they call."""
    seen: dict[str, float] = {}
    for name, _, share in _FRAME.findall(picture):
        place = re.sub(r":\d+\)$", ")", unescape(name))  # all lines of a function are one
        if any(part in place for part in _OURS):
            seen[place] = seen.get(place, 0.0) + float(share)
    return sorted(((share, place) for place, share in seen.items()), reverse=True)


def main() -> int:
    """Watch, draw and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=("csv", "jsonl"), help="what the daemon reads")
    parser.add_argument("--records", type=int, default=_RECORDS)
    parser.add_argument("--output", type=Path, default=Path("profile.svg"), help="the flame graph")
    arguments = parser.parse_args()
    record(arguments.way, arguments.records, arguments.output)
    for share, place in most(arguments.output.read_text())[:_SHOWN]:
        print(f"{share:6.1f} %  {place}")
    print(f"\nthe flame graph is in {arguments.output}; open it in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
