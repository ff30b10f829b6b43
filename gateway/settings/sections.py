"""The sections of ``sluice.toml``. A field's docstring is its page in the configuration reference."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    SecretStr,
    model_validator,
)

from gateway.settings.values import Duration, Names, Networks, Section, Size, listed
from gateway.units import GiB, KiB, MiB

SlotVersion: TypeAlias = Literal["v", "v2", "v3", "token", "jwt"]


#: The share of the budget that is not for bytes of bodies but for what moving them takes: 50 KiB or so each for
#: connection, tasks and buffers of the event loop (measured with 200 uploads at a time).
_OVERHEAD_SHARE: Final = 8


class ServerSection(Section):
    """Where Sluice listens and what it takes from a connection."""

    host: str = "127.0.0.1"
    """Address to listen on; `::` serves IPv6 and IPv4."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 picks a free one."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that share the port. Each has its own memory budget."""
    region: str = "us-east-1"
    """The region that clients must sign for."""
    domains: Names = ()
    """Host names under which buckets are sub-domains: `photos.s3.example.org` for `s3.example.org`."""
    tls_cert: Path | None = None
    """PEM file with the certificate chain; with `tls_key`, the port speaks TLS."""
    tls_key: Path | None = None
    """PEM file with the private key."""
    trusted_proxies: Networks = ()
    """Addresses or networks whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. None by default."""
    metrics_listen: str = ""
    """`host:port` of a listener of its own for `/-/metrics`; empty: on the main port."""
    drain: Duration = 30.0
    """After SIGTERM, how long running requests may take to finish."""
    data_dir: Path = Path(".sluice")
    """Where Sluice keeps its own files: generated keys, and by default objects, sessions and the spool."""
    policies: Path | None = None
    """A folder of policies beside the shipped ones; a file there replaces a shipped policy of its name."""
    header_timeout: Duration = 10.0
    """How long a request's head may take, and before it a TLS handshake."""
    keep_alive: Duration = 75.0
    """How long an idle connection is kept between requests."""
    body_idle_timeout: Duration = 60.0
    """How long a body may pause. Pauses of our own making do not count."""
    body_min_rate: Size = KiB
    """Bytes per second that a body must reach over `body_idle_timeout`, our own pauses excluded; 0: no minimum."""
    max_head: Size = 16 * KiB
    """Largest header section in bytes."""
    max_header: Size = 8 * KiB
    """Largest single header, and largest request target, in bytes."""
    max_connections: Annotated[int, Field(ge=1)] = 10_000
    """Connections at a time in one process, counted from accept on; more are answered 503 and closed."""
    max_connections_per_address: Annotated[int, Field(ge=1)] = 10_000
    """Connections at a time from one address, or one IPv6 network of 64 bits; `trusted_proxies` are exempt. The default
    is no cap: lower it where clients come directly."""
    interim_responses: bool = True
    """Whether clients of the IETF's resumable uploads that ask for it are sent `104` before the final answer; false
    where a proxy in between does not pass interim responses on."""

    @model_validator(mode="after")
    def _tls_pair(self) -> "ServerSection":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        return self


class KeySection(Section):
    """An access key."""

    secret: SecretStr | None = None
    """The secret."""
    secret_file: Path | None = None
    """A file that holds the secret (its first line)."""
    policy: str = "full-access"
    """The policy its requests are held to."""
    principal: str | None = None
    """Who it belongs to; several keys may share one. Left out: the access key id."""
    not_before: AwareDatetime | None = None
    """RFC 3339 time before which it is refused."""
    not_after: AwareDatetime | None = None
    """RFC 3339 time from which it is refused."""
    disabled: bool = False
    """Refused when true."""

    @model_validator(mode="after")
    def _one_secret(self) -> "KeySection":
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("give exactly one of secret and secret_file")
        return self


def _absolute(value: str) -> str:
    if not value.startswith("/") or value.startswith("/-/") or not value.endswith("/"):
        raise ValueError("base_path begins and ends with / and is not under /-/")
    return value


class SlotSection(Section):
    """XMPP-style upload slots: PUT URLs signed by a server that shares the secret."""

    bucket: str
    """The `[buckets.<name>]` that takes the files."""
    base_path: Annotated[str, AfterValidator(_absolute)]
    """The path the URLs begin with; stripped before verification."""
    secret: SecretStr
    """The secret shared with the signing server."""
    versions: Annotated[tuple[SlotVersion, ...], BeforeValidator(listed)] = (
        "v",
        "v2",
        "token",
        "jwt",
    )
    """Token versions that are accepted; `v3` is off unless named."""
    delete_secret: SecretStr | None = None
    """Metronome's secret for DELETE; left out: DELETE is refused."""
    max_size: Size = 100 * MiB
    """Largest file."""
    policy: str = "public-read"
    """What the unsigned GET of a slot may do."""


class SessionsSection(Section):
    """What must outlive a process: the intent journal, leases, nonces, uploads."""

    url: str = "sqlite:///.sluice/sessions.db"
    """`sqlite:///FILE` (one machine), `redis://HOST:PORT/DB` (a fleet) or `memory:` (nothing outlives)."""
    timeout: Duration = 5.0
    """How long the session store may take to answer."""
    ttl: Annotated[Duration, Field(gt=0)] = 86400.0
    """How long an unfinished upload is kept after its last byte, and a finished one remembered."""


class MemorySection(Section):
    """The budget for bodies in transit, per process."""

    budget: Annotated[Size, Field(ge=MiB)] = 512 * MiB
    """Memory that bodies in transit may take: seven eighths for their bytes, the rest for what moving them needs;
    with a store that speaks S3 at least 23 MiB."""
    max_wait: Duration = 30.0
    """How long a body may wait for its first memory before it is refused with 503."""
    spool: Path = Path(".sluice/spool")
    """Folder for unfinished parts of slow clients when memory is short; cleared of dead processes' at start."""
    spool_limit: Annotated[Size, Field(ge=MiB)] = 4 * GiB
    """Bytes the spool may take."""

    @property
    def slabs(self) -> int:
        """The part of the budget, in bytes, that holds bytes of bodies."""
        return self.budget - self.budget // _OVERHEAD_SHARE


class TransferSection(Section):
    """How uploads are cut and sent."""

    concurrency: Annotated[int, Field(ge=1, le=20)] = 16
    """Parts of one upload in flight at a time, at most, and connections of one large download. As many are used as
    bring more than fewer did."""
    max_in_flight: Annotated[int, Field(ge=1)] = 64
    """Parts of all uploads in flight to one store at a time, at most."""
    max_cut_through: Annotated[int, Field(ge=0, le=10_000)] = 2048
    """Parts of slow clients that are passed to one store as they come, at a time, each on a connection of its own
    beside the store's `max_connections`; the others' go through the spool. 0: all of them do."""
    part_size: Size = 8 * MiB
    """Size of parts where nothing asks for another."""
    max_object: Size | None = None
    """Largest object; left out: what the store and the memory budget allow."""


class RetrySection(Section):
    """How failed calls to a store are repeated."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 5
    """Attempts of one call, the first included."""
    base: Duration = 0.1
    """First back-off; it doubles, with full jitter."""
    cap: Duration = 10.0
    """Longest back-off."""
    budget: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of calls that may be retries, so that a failing store is not flooded."""
    breaker_failures: Annotated[int, Field(ge=1)] = 10
    """Failures in a row that open a store's breaker."""
    breaker_cooldown: Duration = 5.0
    """How long an open breaker refuses before it lets one call try."""


class SweepSection(Section):
    """The sweep of multipart uploads that nobody will finish."""

    interval: Duration = 300.0
    """How often the server sweeps; 0: never."""
    grace: Duration = 60.0
    """How long after a process's last heartbeat its uploads count as abandoned: 15 s at least, unless it is known to
    be dead, because it ran on this machine."""


class AuthSection(Section):
    """How credentials are read."""

    max_skew: Duration = 900.0
    """Largest difference between a request's date and our clock."""
    ignore_foreign_bearer: bool = False
    """Ignore an `Authorization: Bearer` beside a presigned URL, for use behind auth proxies."""
    reload: Duration = 0.5
    """How often a worker looks for keys made or disabled meanwhile."""


class CompatibilitySection(Section):
    """Other servers' interfaces, for clients that are there already. Off unless set."""

    hmac_file_server: str = ""
    """The `[buckets.<name>]` that takes what HMAC File Server's clients send to `/chunked-upload`; they ask
    `/upload-status`. Empty: both paths are buckets like any other. Tokens of slots don't count there."""


class CorsSection(Section):
    """Which web pages may call Sluice from a browser."""

    origins: Names = ()
    """Origins such as `https://app.example.org`; `*` for any, never with credentials."""
    max_age: Duration = 600.0
    """How long a browser may remember a preflight."""


class LogSection(Section):
    """The log on standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """`auto`: for people on a terminal, JSON elsewhere."""
