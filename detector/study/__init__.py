"""Studies of a history: what would have been found, which setting fits, what a column is worth.

::

    history ─▶ replay ─▶ Trace ─▶ compare | backtest | explain        columns ─▶ features

A history is read once and replayed through real pipelines, as often as there are settings to try.
Labels judge the result afterwards; no pipeline ever sees them.
"""
