"""The state on disk: codec, state directory, store."""
