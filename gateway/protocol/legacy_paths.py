"""Paths of HMAC File Server that stand at the root, and what a request to them is for. Only where they are mounted:
a bucket takes the files (``compatibility.hmac_file_server``).
"""

import re
from typing import Final

from gateway.errors import BadRequest, UploadNotFound
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.paths import check_key
from gateway.protocol.query import parse_query

#: The name of the dialect.
LEGACY: Final = "hmac-file-server"
CHUNKS: Final = b"/chunked-upload"
STATUS: Final = b"/upload-status"
#: Headers that stand for what is the path elsewhere: which object a request is for.
NAMING: Final = (b"x-filename", b"x-upload-session-id")

#: An upload's id, as it is given out.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)


def is_legacy_path(raw_path: bytes) -> bool:
    """Whether it is one of the two."""
    return raw_path in (CHUNKS, STATUS)


def legacy_target(head: RequestHead, bucket: str) -> Target:
    """What a request is for: a session by its id, or a new file in ``bucket``.

    Raises:
        BadRequest: a session is needed and none is named, or two are; a name that can't be read.
        InvalidUri, KeyTooLong: a name that no object may have.
        UploadNotFound: what is named is no session's id.
    """
    session = _session(head)
    if session is not None:
        if _ID.fullmatch(session) is None:
            raise UploadNotFound("There is no such session.")
        return Target(LEGACY, None, upload=session)
    if head.raw_path == STATUS and head.method != "OPTIONS":
        raise BadRequest("session_id is missing: the session whose status is asked.")
    name = file_name(head)
    return Target(LEGACY, None if name is None else ObjectKey(bucket, name))


def file_name(head: RequestHead) -> str | None:
    """X-Filename as a key; None where it is absent.

    Raises:
        BadRequest: empty, an absolute path, or not UTF-8.
        InvalidUri, KeyTooLong: as :func:`~gateway.protocol.paths.check_key` with ``strict``.
    """
    text = head.get(b"x-filename")
    if text is None:
        return None
    try:
        name = text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("X-Filename is not UTF-8.") from None
    if not name or name.startswith("/") or "\\" in name:
        raise BadRequest("X-Filename has to name a file, below no root.")
    return check_key(name, strict=True)


def _session(head: RequestHead) -> str | None:
    if head.raw_path == CHUNKS:
        return head.get(b"x-upload-session-id")
    named = [value for name, value in parse_query(head.raw_query) if name == "session_id"]
    if len(named) > 1:
        raise BadRequest("session_id was sent more than once.")
    return named[0] if named else None
