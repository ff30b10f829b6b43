"""The HTTP server under ASGI."""
