"""Measurements of the whole program: what they run against, `make bench` and `make load`."""
