"""The s3 dialect."""
