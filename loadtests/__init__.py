"""Measurements of the whole program: `make bench` and `make load`."""
