"""Canonical forms, signing and verifying. Pure: time and secrets are arguments."""
