"""From the columns of records to vectors, and the stream's time."""
