"""The plain dialect."""
