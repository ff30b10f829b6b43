"""The page of the errors."""

from typing import Final

from gateway.errors import ClientGone, GatewayError, InvalidPart
from gateway.protocol.remedies import every_error, remedy
from gateway.protocol.s3xml import s3_error

_INTRODUCTION: Final = """\
# Errors

Every refusal has a stable code. `application/problem+json` (RFC 9457), whose `type` ends in the code, is the
answer of every dialect but two: S3 clients get S3's XML with S3's code and status, tus clients plain text (and
460 for a digest that differs). `detail` says what was wrong with this request; the same page is served by every
gateway under `/-/errors/CODE`.

*Fault* says whose matter it is. *Retry* says whether the same request may succeed when it is sent again:
`Retry-After` says when.
"""


#: Errors that no request can be answered yet, and why.
_NOT_YET: Final[dict[type[GatewayError], str]] = {
    InvalidPart: "Not answered yet, because multipart by the client is not offered yet.",
}


def errors_page() -> str:
    """Markdown with a section for every error that can be answered."""
    hidden = (
        GatewayError,
        ClientGone,
    )  # the root is InternalError's; a client that left gets no answer
    shown = [error for error in every_error() if error not in hidden]
    return "\n".join([_INTRODUCTION, *_table(shown), "", *(_section(error) for error in shown)])


def _table(shown: list[type[GatewayError]]) -> list[str]:
    rows = ["| code | status | S3 code | S3 status | fault | retry |", "|---|---|---|---|---|---|"]
    for error in shown:
        s3_code, s3_status = s3_error(error.__new__(error))  # only its class is looked at
        retry = "yes" if error.retryable else "no"
        rows.append(
            f"| [`{error.code}`](#{error.code}) | {error.status} | `{s3_code}` | {s3_status} "
            f"| {error.fault} | {retry} |"
        )
    return rows


def _section(error: type[GatewayError]) -> str:
    story = " ".join((error.__doc__ or "").split())
    if error in _NOT_YET:
        story += f" *{_NOT_YET[error]}*"
    return f"## `{error.code}`\n\n{story}\n\n*What to do:* {remedy(error)}\n"
