"""What an ASGI server offers, as a channel."""

from typing import Any

from gateway.web.channel import AsgiChannel
from gateway.web.streams import Message


async def test_answers_are_asgis_messages() -> None:
    sent: list[Any] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http"}
    channel = AsgiChannel(scope, receive, send)
    await channel.respond(404, ((b"a", b"b"),), b"xyz", False)
    await channel.respond(200, (), b"", True)
    await channel.writer().write(memoryview(b"piece"))
    await channel.finish()

    assert sent == [
        {"type": "http.response.start", "status": 404, "headers": [(b"a", b"b")]},
        {"type": "http.response.body", "body": b"xyz", "more_body": False},
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": b"piece", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]
    assert channel.scope() is scope
    assert channel.reader is None
    assert (await channel.receive())["type"] == "http.disconnect"
