"""The users of `make load`. Each module is a locust file of its own; ``mixed`` is all of them."""
