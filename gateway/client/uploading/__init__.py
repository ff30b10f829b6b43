"""Sending a file so that nothing is sent twice: what to do next is decided here, without doing any of it.

Flows (:mod:`.flows`) are generators that yield steps and are sent what came of them; two small drivers, one that
blocks and one for asyncio, take the steps. No rule of an upload is written twice, and all are tested without a socket.
"""
