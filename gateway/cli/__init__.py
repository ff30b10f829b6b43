"""The command line: one module for each family of commands."""

from gateway.cli.program import main

__all__ = ["main"]
