"""``config.yaml`` -> frozen models; every error names file, line, setting, value and remedy.

yaml      text to plain data with line numbers, strictly
scalars   what a plain word means
secrets   ``${VAR}`` and ``${file:...}``, and what must never be shown
models    the shape of the file
load      all of it in order: the way in
cases     `tests:`, what records are expected to come to
checks    what goes beyond one setting: names that must exist, what is used twice or never
explain   pydantic's errors as plain sentences
differ    what differs between two readings of a file
watched   whether the file has changed
schema    the JSON Schema of the file
words     how settings and values are spoken of
"""
