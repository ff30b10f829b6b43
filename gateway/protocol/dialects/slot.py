"""The slot dialect."""
