"""The only room that knows ASGI."""
