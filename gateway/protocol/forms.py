"""A form upload once its fields are read: what they say, and which of them are a credential.

Source: "Browser-Based Uploads Using POST (AWS Signature Version 4)", Amazon S3 API reference. Names of fields
are compared in lower case, as S3 does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import InvalidArgument
from gateway.protocol.commands import RequestHead
from gateway.protocol.part_head import PartHead
from gateway.protocol.paths import check_key

#: The name of the dialect, which the shell has to know: its credential may stand in the body.
FORM: Final = "form"

#: Fields that only a form with a credential of its own has. Any of them makes it one, so that half of a
#: credential is refused and never passes for none.
_CREDENTIAL: Final = frozenset(
    {
        "policy",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-signature",
        "x-amz-security-token",
        "awsaccesskeyid",
        "signature",
    }
)
_VARIABLE: Final = "${filename}"
_SEPARATOR: Final = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class Form:
    """A form's fields by lower-case name, and the head of its file (None: it was not reached)."""

    fields: Mapping[str, str]
    file: PartHead | None = None

    @property
    def signed(self) -> bool:
        """Whether it carries a credential, or part of one: then it is S3's."""
        return not _CREDENTIAL.isdisjoint(self.fields)

    def key(self) -> str:
        """The name to store the file under: the field ``key`` with ``${filename}`` replaced by the file's own
        name without any path; in a form without a signature also that name alone.

        No dot segments: with a prefix signed, the rest is chosen by whoever holds the form.

        Raises:
            InvalidArgument: there is no key, or no name for the variable.
            InvalidUri, KeyTooLong: it cannot be a key.
        """
        key = self.fields.get("key", "" if self.signed else _VARIABLE)
        if _VARIABLE in key:
            key = key.replace(_VARIABLE, self._filename())
        if not key:
            raise InvalidArgument("The form needs a field key before its file.")
        return check_key(key, strict=True)

    def _filename(self) -> str:
        given = None if self.file is None else self.file.filename
        name = _SEPARATOR.split(given or "")[-1]
        if not name:
            raise InvalidArgument("The form's file has no name: give it one, or send a field key.")
        return name


class FormHead(RequestHead):
    """A form's request: its head, and the fields that stood before the file."""

    __slots__ = ("form",)

    def __init__(self, head: RequestHead, form: Form) -> None:
        super().__init__(
            head.method,
            head.raw_path,
            head.raw_query,
            head.headers,
            scheme=head.scheme,
            peer=head.peer,
        )
        self.form: Final = form
