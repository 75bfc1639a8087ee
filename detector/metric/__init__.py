"""How distance is measured."""
