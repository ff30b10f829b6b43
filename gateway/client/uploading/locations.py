"""Where a server says that an upload is."""

from urllib.parse import urljoin, urlsplit


def same_server_path(reference: str, base: bytes) -> str | None:
    """The raw path (and query) of a URI reference in an answer to a request for the path ``base`` (RFC 3986,
    section 5); None where it has none.

    Whatever host it names, it is asked for at the endpoint that the user named: a server behind a proxy often does
    not know what it is called, and the file goes nowhere else.
    """
    if not reference.isascii() or any(character <= " " for character in reference):
        return None
    try:
        parts = urlsplit(urljoin(base.decode("ascii"), reference))
    except ValueError:
        return None
    if not reference or not parts.path.startswith("/"):
        return None
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
