"""A file in one PUT, signed with the SHA-256 of its bytes, so what is stored is what was read.

The file is read twice: once for the digest, which stands in the signature (``x-amz-content-sha256``), once
for sending. The first pass costs about 0.6 CPU-seconds a GiB, and buys three things that a trailer does
not: the gateway refuses other bytes *before* anything is visible, also when the file changes between the
passes; a proxy on the way cannot alter them; and any S3 server understands it. The digest is also kept
with the object (``x-amz-meta-sha256``), so a later download can be verified whatever the store does.
"""

from gateway.client.uploading.job import DIGEST_HEADER, Job, Uploaded
from gateway.client.uploading.patience import Patience, setback
from gateway.client.uploading.steps import COMPLETION, Answer, Flow, Request, Span, ask, hashed
from gateway.client.uploading.tally import Tally


def send_whole(job: Job, patience: Patience, tally: Tally) -> Flow[Uploaded]:
    """Send it, from its first byte at each attempt.

    Raises:
        TransferFailed: see :mod:`gateway.client.failures`.
    """
    whole = Span(0, job.size)
    digest = yield from hashed(whole, "sha256")
    sha256 = digest.hex()
    headers = {
        "content-length": str(job.size),
        "content-type": job.content_type,
        DIGEST_HEADER: sha256,
    }
    request = Request(
        method="PUT", path=job.path(), headers=headers, body=whole, payload=sha256, wait=COMPLETION
    )
    while True:
        tally.reached(0)
        outcome = yield from ask(request)
        if isinstance(outcome, Answer) and outcome.good:
            tally.reached(job.size)
            etag = outcome.headers.get("etag", "").strip('"')
            return Uploaded(etag=etag, size=job.size, sha256=sha256)
        yield from patience.wait(setback(outcome))
