"""The root of the tree, and the bug."""

from typing import ClassVar, Literal

Fault = Literal["client", "gateway", "storage", "source"]


class GatewayError(Exception):
    """The root. ``members`` become extension members of problem+json and elements of S3's XML.

    ``final`` is set where a resumable upload had all its bytes and then failed for good (a condition, a
    digest of the whole): going on with it cannot help, and the IETF protocol has to say so.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    fault: ClassVar[Fault] = "gateway"
    retryable: ClassVar[bool] = False
    final: bool = False

    def __init__(
        self, detail: str, *, retry_after: float | None = None, **members: str | int | None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.members = members


class InternalError(GatewayError):
    """A bug in Sluice, as the client sees it."""
