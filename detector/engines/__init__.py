"""Where a pipeline runs beside the daemon: on another engine, by the same step, with the same state."""
