"""Open files: a connection is one, and what goes to a store as it comes, or through the spool, takes another.

Most systems begin a process with a soft limit of 1024 for the sake of old programs that use ``select``, and let it
raise that up to the hard limit. We use no ``select`` and take what the settings may come to need.
"""

import contextlib
import resource
from typing import Final

from gateway.settings import S3Storage, Settings

#: For everything that is no connection: libraries, logs, sessions, the spool's files.
SPARE: Final = 512


def wanted(settings: Settings) -> int:
    """The most files that a process may come to have open."""
    stores = settings.storage.values()
    calls = sum(store.max_connections for store in stores if isinstance(store, S3Storage))
    return 2 * settings.server.max_connections + calls + SPARE


def allow(count: int) -> int:
    """Raise the soft limit to ``count`` files, as far as the hard limit lets us; answers what it is then. It is never
    lowered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    most = count if hard == unlimited else min(count, hard)
    if soft != unlimited and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS refuses more than it has of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
