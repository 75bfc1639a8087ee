"""One record after another: score, judge, learn. The loops that everything else serves.

Rows of a batch are taken in arrival order and each touches only the row of its own model, so a
stream gives the same numbers to the last bit however it is cut into batches.
"""
