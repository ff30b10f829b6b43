"""Form uploads: ``POST /{bucket}`` of multipart/form-data, by browsers' forms and by ``curl -F``.

Two kinds. A form that its policy signs is S3's: answered as S3 does, errors in XML, and nothing is taken from it
that the policy does not cover. Any other carries its credential in the head, or none: it is plain HTTP's, may leave
out the key (the file's name is taken) and the type (the file part's own is).

The file's bytes come from the shell, which has read the fields: see :mod:`gateway.protocol.multipart_form`.
"""

import re
from typing import ClassVar, Final
from urllib.parse import quote

from gateway.errors import (
    GatewayError,
    InvalidArgument,
    NotImplementedHere,
)
from gateway.model import ObjectKey
from gateway.protocol.commands import (
    Command,
    ObjectStored,
    PutObject,
    Reply,
    RequestHead,
    ResponseHead,
    Target,
)
from gateway.protocol.conditions import read_conditions
from gateway.protocol.digests import agreed, checksum_headers, one_checksum, read_digests
from gateway.protocol.error_heads import challenge
from gateway.protocol.forms import FORM, FormHead
from gateway.protocol.interim import absolute
from gateway.protocol.object_heads import META, Headers, quoted, refuse_partial, wire
from gateway.protocol.problems import render_problem
from gateway.protocol.query import parse_query, single
from gateway.protocol.s3_surface import (
    amz_headers,
    check_headers,
    check_query,
    checksums,
    named_algorithm,
)
from gateway.protocol.s3xml import escape, render_s3_error
from gateway.protocol.upload_heads import read_object_attributes

#: Fields that say of the object what headers of the same name would.
_ATTRIBUTES: Final = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
    }
)
_METADATA: Final = (b"x-amz-meta-", META)
_PREFIXES: Final = ("x-amz-", "sluice-meta-")
#: Headers about the request's body, which is not the file.
_OF_THE_BODY: Final = (b"content-encoding", b"content-digest", b"content-md5", b"repr-digest")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_URL: Final = re.compile(r"https?://[A-Za-z0-9\[][!$-;=?-\[\]_a-z~]{0,2047}", re.IGNORECASE)
_UNRESERVED: Final = "/~"


class FormDialect:
    """The codec of form uploads."""

    name: ClassVar[str] = FORM
    methods: ClassVar[tuple[str, ...]] = ("POST", "OPTIONS")

    def parse(self, head: RequestHead, target: Target) -> Command:
        """See :class:`~gateway.protocol.commands.Dialect`. The head is a FormHead: the shell has read the fields."""
        assert isinstance(head, FormHead)
        assert target.key is not None
        _check_request(head)
        fields = _fields_as_headers(head)
        if "tagging" in head.form.fields:
            raise NotImplementedHere("Tags are not offered here.")
        _redirect(head)
        amz = amz_headers(fields, {})
        checksum, named = one_checksum(checksums(amz)), named_algorithm(amz)
        if checksum is not None and named not in (None, checksum.algorithm):
            raise InvalidArgument("The checksum sent is not of the algorithm that is named.")
        claimed = () if checksum is None else (checksum,)
        return PutObject(
            key=ObjectKey(target.key.bucket, head.form.key()),
            length=None,
            attributes=read_object_attributes(fields),
            conditions=read_conditions(head),
            digests=agreed((*claimed, *read_digests(fields))),
            want_digests=() if named is None or claimed else (named,),
            tell_created=not head.form.signed,
        )

    def render(
        self, head: RequestHead, command: Command, reply: Reply, request_id: str
    ) -> ResponseHead:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        assert isinstance(head, FormHead)
        assert isinstance(command, PutObject)
        assert isinstance(reply, ObjectStored)
        headers: Headers = (
            (_request_id_name(head), wire(request_id)),
            (b"etag", quoted(reply.info_etag)),
        )
        if reply.version is not None:
            headers += ((b"x-amz-version-id", wire(reply.version)),)
        headers += checksum_headers(reply.digests)
        url = _redirect(head)
        if url is not None:
            told = _told(url, command.key, reply.info_etag)
            return ResponseHead(303, (*headers, (b"location", told), (b"content-length", b"0")))
        location = _location(head, command.key)
        return _success(head, command.key, reply, (*headers, (b"location", location)), location)

    def render_error(self, head: RequestHead, error: GatewayError, request_id: str) -> ResponseHead:
        """See :class:`~gateway.protocol.commands.Dialect`."""
        if isinstance(head, FormHead) and head.form.signed:
            return render_s3_error(head, error, request_id)
        return render_problem(head, error, request_id, extra=challenge(error))


def _check_request(head: FormHead) -> None:
    """Hold the head, which no policy covers, to saying nothing of the object.

    Raises:
        NotImplementedHere: a subresource, an ``x-amz-*`` header, or a coding or digest of the whole body.
        BadRequest: a piece of an object.
    """
    refuse_partial(head)
    query = single(parse_query(head.raw_query))
    check_query(query, reading=False, ranged=False)
    check_headers(amz_headers(head, query), writing=False)
    for name in head.index:
        if name.startswith(_METADATA):
            raise NotImplementedHere("User metadata stands in a form's fields, not in headers.")
        if name in _OF_THE_BODY:
            raise NotImplementedHere(
                f"{name.decode().title()} cannot be used with a form: what is stored is the file in it."
            )


def _fields_as_headers(head: FormHead) -> RequestHead:
    """The fields about the object as a head of their own, values as the bytes that were sent. The file part's type
    counts only where no policy would have had to cover it."""
    form = head.form
    fields = dict(form.fields)
    typed = form.file.content_type if form.file is not None and not form.signed else None
    if typed is not None:
        fields.setdefault("content-type", typed)
    pairs = [
        (name.encode("ascii"), value.encode("utf-8"))
        for name, value in fields.items()
        if name in _ATTRIBUTES or (name.startswith(_PREFIXES) and _TOKEN.fullmatch(name))
    ]
    if "acl" in fields:
        pairs.append((b"x-amz-acl", fields["acl"].encode("utf-8")))
    return RequestHead(head.method, head.raw_path, headers=pairs)


def _redirect(head: FormHead) -> str | None:
    """Where a browser goes after success; only where a key's owner has signed for it (security case 85).

    Raises:
        InvalidArgument: no http or https URL, or nobody signed for it.
    """
    url = head.form.fields.get("success_action_redirect")
    if not url:
        return None
    if not head.form.signed:
        raise InvalidArgument("success_action_redirect needs a form that is signed by its policy.")
    if _URL.fullmatch(url) is None:
        raise InvalidArgument("success_action_redirect is an http or https URL in ASCII.")
    return url


def _told(url: str, key: ObjectKey, etag: str) -> bytes:
    """The URL with what S3 adds to it: bucket, key and ETag."""
    named = (("bucket", key.bucket), ("key", key.name), ("etag", f'"{etag}"'))
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in named)
    return f"{url}{'&' if '?' in url else '?'}{added}".encode("ascii")


def _location(head: FormHead, key: ObjectKey) -> bytes:
    """The object's URL, on the host that the form was posted to, which names the bucket or leaves it to the path."""
    bucket = f"/{key.bucket}" if head.raw_path.strip(b"/") else ""
    return absolute(head, f"{bucket}/{quote(key.name, safe=_UNRESERVED)}")


def _success(
    head: FormHead, key: ObjectKey, reply: ObjectStored, headers: Headers, location: bytes
) -> ResponseHead:
    """What ``success_action_status`` asks for; else S3's 204, or plain HTTP's 201 for a new object."""
    asked = head.form.fields.get("success_action_status")
    if asked not in ("200", "201", "204"):
        asked = "201" if reply.created and not head.form.signed else "204"
        document = b""
    else:
        document = _document(key, reply, location) if asked == "201" else b""
    if document:
        headers += ((b"content-type", b"application/xml"),)
    if asked != "204":
        headers += ((b"content-length", str(len(document)).encode()),)
    return ResponseHead(int(asked), headers, document)


def _document(key: ObjectKey, reply: ObjectStored, location: bytes) -> bytes:
    elements = {
        "Location": location.decode("ascii"),
        "Bucket": key.bucket,
        "Key": key.name,
        "ETag": f'"{reply.info_etag}"',
    }
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{inner}</PostResponse>'.encode()


def _request_id_name(head: FormHead) -> bytes:
    return b"x-amz-request-id" if head.form.signed else b"x-request-id"
