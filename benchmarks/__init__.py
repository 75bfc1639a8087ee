"""Measures, apart from the tests: time to be ready, memory, speed beside a peer, and growth over time.

Each module is a command: ``python -m benchmarks.start``, ``.speed``, ``.soak``. Run one at a time.
"""
