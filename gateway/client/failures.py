"""How a transfer can fail, as the person at the client sees it, and reading a refusal off the wire."""

import email.utils
import html
import json
import re
from collections.abc import Mapping
from typing import ClassVar, Final

#: How much of an error's body is read: enough for any message, too little to hurt.
MAX_BODY: Final = 64 * 1024
_XML: Final = re.compile(r"<(Code|Message)>([^<]*)</\1>")
#: The last line of a plain text error, as the dialects of tools that show it to people have it.
_CODE: Final = re.compile(r"\(([a-z][a-z0-9-]*), request [^()]*\)\s*\Z")
#: Statuses after which the same request may succeed: RFC 9110 408, RFC 4918 423, RFC 6585 429, and the gateways' 5xx.
_PASSING: Final = frozenset({408, 423, 425, 429, 500, 502, 503, 504})


class TransferFailed(Exception):
    """A transfer did not succeed. ``str()`` is one line that says what happened and where."""

    #: Whether trying again may help.
    retryable: ClassVar[bool] = False


class Interrupted(TransferFailed):
    """The connection could not be made, broke, or stood still."""

    retryable = True


class FileTrouble(TransferFailed):
    """A local file cannot be read or written, changed meanwhile, or is in use."""


class Corrupt(TransferFailed):
    """What arrived is not what was sent."""


class Refused(TransferFailed):
    """The server answered with an error."""

    def __init__(self, status: int, code: str, message: str, retry_after: float | None) -> None:
        super().__init__(f"{status} {code}: {message}" if message else f"{status} {code}")
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in _PASSING


def read_refusal(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Refused:
    """Read S3's XML (``Code``, ``Message``), RFC 9457's JSON (``type``, ``detail``) or Sluice's plain text; all may
    be missing.

    ``now`` (Unix seconds) turns the date form of Retry-After into a wait.
    """
    text = body[:MAX_BODY].decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        code, message = _from_json(text)
    elif (found := _CODE.search(text)) is not None:
        code, message = found[1], text[: found.start()]
    else:
        code, message = _from_xml(text)
    wait = read_retry_after(headers.get("retry-after"), now)
    return Refused(status, code or "error", " ".join(message.split()), wait)


def read_retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After asks for (RFC 9110, 10.2.3), 0 or more; None when absent or unreadable."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def _from_xml(text: str) -> tuple[str, str]:
    found = {name: html.unescape(value) for name, value in _XML.findall(text)}
    return found.get("Code", ""), found.get("Message", "")


def _from_json(text: str) -> tuple[str, str]:
    try:
        problem = json.loads(text)
    except ValueError:
        return "", ""
    message = problem.get("detail") or problem.get("title") or ""
    return str(problem.get("type", "")).rpartition("/")[2], str(message)
