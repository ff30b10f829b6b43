"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload-12): the items of R1 to R46 that can be seen from
outside. ``python -m tests.conformance.rufh URL`` runs them; importing this registers them in :data:`SUITE`.
"""

from tests.conformance.rufh import appending, creation
from tests.conformance.rufh.trial import SUITE, DraftTarget

#: Imported for the checks that they register.
GROUPS = (appending, creation)

__all__ = ["GROUPS", "SUITE", "DraftTarget"]
