"""``python -m detector.cli`` does what ``kyori`` does."""

from detector.cli import main

main()
