"""Texts of tus requests, and what they mean."""

from base64 import b64encode

from gateway.model import ObjectKey
from gateway.protocol.dialects.tus import TusDialect
from gateway.protocol.upload_commands import (
    AppendUpload,
    CreateUpload,
)
from tests.protocol.uploads import (
    URL,
    parsed,
)

TUS = TusDialect()
OBJECT = ObjectKey("photos", "a.bin")
NEW = "POST /-/uploads/photos/a.bin\nTus-Resumable: 1.0.0\n"
CT = "Content-Type: application/offset+octet-stream\n"
PATCH = f"PATCH {URL}\nTus-Resumable: 1.0.0\n{CT}"
HEAD = f"HEAD {URL}\nTus-Resumable: 1.0.0"


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def created(text: str) -> CreateUpload:
    command = parsed(TUS, text)
    assert isinstance(command, CreateUpload)
    return command


def appended(text: str) -> AppendUpload:
    command = parsed(TUS, text)
    assert isinstance(command, AppendUpload)
    return command
