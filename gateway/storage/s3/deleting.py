"""DeleteObjects: many keys of one bucket in one call."""

from collections.abc import Sequence
from typing import Any, Final

from gateway.errors import StorageError
from gateway.model import ObjectKey
from gateway.storage.s3.errors import map_s3_errors

#: What S3 takes in one call.
AT_ONCE: Final = 1000
#: To have been removed already is no error.
_GONE: Final = frozenset({"NoSuchKey"})


async def delete_many(client: Any, keys: Sequence[ObjectKey]) -> None:
    """Remove ``keys``, which are of one bucket.

    Raises:
        StorageError: a call failed, or the store names keys that it could not remove.
    """
    for at in range(0, len(keys), AT_ONCE):
        batch = keys[at : at + AT_ONCE]
        with map_s3_errors("DeleteObjects"):
            answer = await client.delete_objects(
                Bucket=batch[0].bucket,
                Delete={"Objects": [{"Key": key.name} for key in batch], "Quiet": True},
            )
        failed = [each for each in answer.get("Errors", ()) if each.get("Code") not in _GONE]
        if failed:
            raise StorageError(
                f"The store did not remove {len(failed)} of {len(batch)} objects: {failed[0].get('Code')}."
            )
