"""Negative controls: for each promise, what is broken on purpose, and the test that must go red then.

One TOML file a promise, as ``p15.toml``::

    promise = "P15"

    [[control]]
    breaks = "a renamed file is let go at once"
    file = "connectors/sources/tail.py"
    old = '''what stands exactly once in the file'''
    new = '''what stands there instead'''
    test = "tests/connectors/sources/test_tail.py::test_rename_with_late_lines_in_the_old_file"

``make controls`` tries all of them; ``python -m tests.controls p15 p16`` some. `make test` checks that they
still fit the code, and tries one.
"""
