"""Error answers of a raw connection: read, told apart, and what can be mended on the spot."""

from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError
from gateway.protocol.dates import parse_date
from gateway.storage.s3.errors import from_answer, retry_after_of
from gateway.storage.s3.wire_answer import MAX_ERROR, Answer, ErrorDocument, read_error
from gateway.storage.s3.wire_body import Body

#: Seconds: Amazon refuses requests whose date is further than this from its own.
_SKEW: Final = 900.0

_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"}
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error."""

    answer: Answer
    document: ErrorDocument

    @property
    def expired(self) -> bool:
        """Whether our temporary credentials are the trouble."""
        return self.document.code in _EXPIRED

    def skew(self, now: float) -> float | None:
        """The store's time in Unix seconds where our clock is the trouble. ``now``: what we had signed with.

        A HEAD answer has no code: then a 403 whose Date is far from ours is taken for it.
        """
        if self.answer.status != 403 or self.document.code not in ("RequestTimeTooSkewed", ""):
            return None
        date = parse_date(self.answer.headers.get("date"))
        if date is None or abs(date.timestamp() - now) < _SKEW:
            return None
        return date.timestamp()

    def error(self, operation: str, *, condition_on_etag: bool) -> GatewayError:
        """What it means to whoever called."""
        headers = self.answer.headers
        size = (
            self.document.fields.get("ActualObjectSize")
            or (headers.get("content-range", "").rpartition("*/")[2])
        )
        code = self.document.code
        if not code and self.answer.status == 400 and "x-amz-bucket-region" in headers:
            code = "AuthorizationHeaderMalformed"  # a HEAD answer has no document
        return from_answer(
            operation,
            self.answer.status,
            code,
            retry_after=retry_after_of(headers.get("retry-after")),
            size=int(size) if size.isdecimal() else None,
            condition_on_etag=condition_on_etag,
            hint=self._hint(),
        )

    def _hint(self) -> str:
        """Where the bucket is, if the answer tells."""
        fields, headers = self.document.fields, self.answer.headers
        region = headers.get("x-amz-bucket-region") or fields.get("Region")
        endpoint = fields.get("Endpoint") or headers.get("location")
        words = [f"region is {region}"] if region else []
        words += [f"endpoint is {endpoint}"] if endpoint else []
        return f" (its {' and its '.join(words)})" if words else ""


async def read_refusal(answer: Answer, body: Body) -> Refusal:
    """Read an error answer to its end, or as much as matters.

    Raises:
        Cut, TimeoutError: it broke off; the status alone then has to do, so only a silence raises.
    """
    try:
        document = read_error(await body.read(MAX_ERROR))
    except ConnectionError:
        document = ErrorDocument()
    body.close()
    return Refusal(answer, document)
