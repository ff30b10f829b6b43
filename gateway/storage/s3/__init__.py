"""Amazon S3 and what speaks its protocol: control plane by aiobotocore."""

from gateway.storage.s3.store import S3Store

__all__ = ["S3Store"]
