"""Objects in a folder on this machine: the embedded store.

Read it in this order: ``record`` (what a file says of itself), ``layout`` (where files lie), ``disk``
(durable writes, locks, errors), ``objects`` and ``uploads`` (what happens, in threads), ``store`` (the
protocol, in the event loop).
"""

from gateway.storage.local.store import LocalStore

__all__ = ["LocalStore"]
