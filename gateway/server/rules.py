"""What the front takes from a connection, as values."""

from dataclasses import dataclass

from gateway.protocol.networks import Networks
from gateway.settings.sections import ServerSection
from gateway.units import KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits of one process. Sizes in bytes, times in seconds.

    The first block are settings (:class:`gateway.settings.sections.ServerSection` says what they
    mean); ``proxies`` are exempt from the cap per address, since many clients share theirs.
    """

    header_timeout: float = 10.0
    keep_alive: float = 75.0
    body_idle_timeout: float = 60.0
    body_min_rate: int = KiB
    max_head: int = 16 * KiB
    max_header: int = 8 * KiB
    max_connections: int = 10_000
    max_connections_per_address: int = 10_000
    proxies: Networks = Networks()
    #: Of a refused body, this much is read and thrown away to keep the connection.
    discard: int = 256 * KiB
    #: How long a connection that we end goes on reading, so that the answer is not lost to a reset.
    linger: float = 2.0
    #: How often a connection that we do not read is looked at for signs of life.
    probe: float = 2.0

    @classmethod
    def of(cls, section: ServerSection) -> "Rules":
        """The rules that the settings describe."""
        return cls(
            header_timeout=section.header_timeout,
            keep_alive=section.keep_alive,
            body_idle_timeout=section.body_idle_timeout,
            body_min_rate=section.body_min_rate,
            max_head=section.max_head,
            max_header=section.max_header,
            max_connections=section.max_connections,
            max_connections_per_address=section.max_connections_per_address,
            proxies=Networks(section.trusted_proxies),
        )
