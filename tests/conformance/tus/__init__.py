"""tus 1.0: eighty-two items, T1 to T82, asked of any server over its sockets alone.

``python -m tests.conformance.tus URL`` runs them; importing this package registers them in :data:`SUITE`.
"""

from importlib import import_module
from typing import Final

from tests.conformance.tus.trial import SUITE, Options, Target, Trial

#: Imported for the checks that they register.
GROUPS: Final = tuple(
    import_module(f"{__name__}.{name}")
    for name in (
        "checksum",
        "concatenation",
        "creation",
        "creation_with_upload",
        "cross_origin",
        "deferred",
        "discovery",
        "durability",
        "expiration",
        "headers",
        "integers",
        "metadata",
        "patch",
        "patch_concurrency",
        "patch_limits",
        "status",
        "termination",
    )
)

__all__ = ["GROUPS", "SUITE", "Options", "Target", "Trial"]
