"""Bytes that compiled code compares with, and what it may say of a value."""

import numpy as np

ONE = np.uint64(1)
"""A place in a text is unsigned: one that might be below 0 takes twice as long, counting from the end."""

TAB, FEED, RETURN, BLANK, QUOTE, PLUS, MINUS, POINT, ZERO, COLON = map(ord, '\t\n\r "+-.0:')
ESCAPE, E, SMALL_E, T, Z = map(ord, "\\EeTZ")

FOUND, ODD, UNSURE, WRONG = 0, 1, 2, 3
"""What a value is: a number or missing; to be looked at if it is wanted; in any case; not even a value."""

NO_WORDS, WITH_OFFSET, ANY_WORDS = 0, 1, 2
"""Which times in words compiled code reads."""
