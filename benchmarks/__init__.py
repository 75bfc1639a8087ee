"""Measures, apart from the tests: time to be ready, memory, speed, growth over time, accuracy beside peers.

Each module is a command: ``python -m benchmarks.start``, ``.speed``, ``.soak``, ``.accuracy``. Run one at a
time.
"""
