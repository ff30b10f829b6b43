"""The Python client: files to and from a gateway, signed, verified, tried again.

Names are loaded at their first use: the server needs only :class:`Account`, to print commands to
paste, and should not pay for an HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway.client.account import Account
    from gateway.client.async_client import AsyncClient
    from gateway.client.backoff import Backoff, Retry
    from gateway.client.client import Client
    from gateway.client.download import Downloaded
    from gateway.client.failures import Corrupt, FileTrouble, Interrupted, Refused, TransferFailed
    from gateway.client.uploading.job import Progress, Uploaded
    from gateway.client.uploading.notes import Notes
    from gateway.client.uploading.work import pending_upload

__all__ = [
    "Account",
    "AsyncClient",
    "Backoff",
    "Client",
    "Corrupt",
    "Downloaded",
    "FileTrouble",
    "Interrupted",
    "Notes",
    "Progress",
    "Refused",
    "Retry",
    "TransferFailed",
    "Uploaded",
    "pending_upload",
]

_HOMES: Final = {
    "Account": "account",
    "AsyncClient": "async_client",
    "Backoff": "backoff",
    "Client": "client",
    "Downloaded": "download",
    "Notes": "uploading.notes",
    "Progress": "uploading.job",
    "Retry": "backoff",
    "Uploaded": "uploading.job",
    "pending_upload": "uploading.work",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'failures')}"), name)
