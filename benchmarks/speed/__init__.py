"""How fast each way through kyori is, beside a peer in the same run: ``python -m benchmarks.speed``.

A group is one file with one function, and one line in `benchmarks.speed.groups`.
"""
