"""From lines of a log to records: events, their templates, and what a window of them was like.

- `formats`: one file a format: a line becomes an `event.Event`, with its time, level and message;
- `joining`: which lines belong together;
- `templates`: which kind of message it is (Drain), how rare, and whether its numbers are usual;
- `windows`: many events become one record;
- `digest`: all of it for one source, and the state that is committed with its position;
- `lines`: the same as a decoder of lines.
"""
