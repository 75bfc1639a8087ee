"""Carries bytes in and alerts out; knows `detector.contracts` and `detector.errors`, nothing else."""
