"""Sluice: a streaming gateway in front of S3 object storage."""

__version__ = "0.1.0"
