"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload-12): R1 to R46, from outside.
``python -m tests.conformance.rufh URL`` runs them; importing this registers them in :data:`SUITE`.
"""

from tests.conformance.rufh import appending, asking, creation, discovery, ending, interim
from tests.conformance.rufh.trial import SUITE, DraftTarget

#: Imported for the checks that they register.
GROUPS = (discovery, creation, interim, asking, appending, ending)

__all__ = ["GROUPS", "SUITE", "DraftTarget"]
