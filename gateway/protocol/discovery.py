"""What OPTIONS tells of resumable uploads before one begins: nothing that depends on a credential."""

from typing import Final

from gateway.protocol.commands import Target
from gateway.protocol.digests import TUS_ALGORITHMS
from gateway.protocol.interim import limit_header
from gateway.protocol.object_heads import Headers
from gateway.protocol.upload_commands import Limits

TUS_VERSION: Final = b"1.0.0"
#: What really works, by tus's names.
EXTENSIONS: Final = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "checksum-trailer",
    "termination",
    "concatenation",
)


def discovery_headers(target: Target, limits: Limits) -> Headers:
    """For the answer to OPTIONS of ``target``: IETF's limits wherever an upload can begin (its section "Limits"),
    and on upload URLs what of tus is spoken (its sections "OPTIONS" and "Tus-Checksum-Algorithm")."""
    if target.dialect in ("slot", "chunked"):
        return ()
    announced = limit_header(limits)
    if target.dialect not in ("tus", "rufh"):
        return announced
    headers: Headers = (
        (b"tus-resumable", TUS_VERSION),
        (b"tus-version", TUS_VERSION),
        (b"tus-extension", ",".join(EXTENSIONS).encode("ascii")),
        (b"tus-checksum-algorithm", ",".join(TUS_ALGORITHMS).encode("ascii")),
    )
    if limits.max_size is not None:
        headers += ((b"tus-max-size", str(limits.max_size).encode()),)
    return headers + announced
