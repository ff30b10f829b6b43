"""The sections of stores, and of the buckets in them."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from gateway.settings.values import Duration, Names, Section


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that are not closed, a port that is no number
        named = False
    if not named:
        raise ValueError(
            f"{url!r} is not the URL of a store; write for example http://127.0.0.1:9000"
        )
    return url


class S3Storage(Section):
    """A store that speaks S3."""

    kind: Literal["s3"]
    """`s3`."""
    endpoint_url: Annotated[str, AfterValidator(_endpoint)] | None = None
    """The store's URL; left out: Amazon's for the region."""
    region: str = "us-east-1"
    """The region to sign for."""
    access_key_id: str | None = None
    """Our credential there; left out: the standard AWS credential chain."""
    secret_access_key: SecretStr | None = None
    """Its secret."""
    session_token: SecretStr | None = None
    """Its session token, for temporary credentials."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """Whether the bucket stands in the path or in the host name; `auto`: path unless the endpoint is Amazon's."""
    tls_verify: bool = True
    """Whether the store's certificate is checked."""
    tls_ca: Path | None = None
    """PEM file with the authorities that sign the store's certificate; left out: the system's."""
    sign_payload: Literal["auto", "always", "never"] = "auto"
    """Whether bodies are signed with their SHA-256; `auto`: over plain HTTP only, as TLS protects them already."""
    data_plane: Literal["wire", "aiobotocore"] = "wire"
    """What carries bodies: raw connections of our own, or aiobotocore at five times their cost, for stores behind an
    HTTP proxy of the environment (`wire` uses none) and odd ones."""
    connect_timeout: Duration = 5.0
    """How long connecting may take."""
    idle_timeout: Duration = 30.0
    """How long a call may go without progress. There is no limit on its total."""
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Connections kept to the store. Where calls wait, those of downloads whose clients are slow do not count
    (with `data_plane = "aiobotocore"` they do)."""
    uniform_parts: Literal["auto"] | bool = "auto"
    """Equal part sizes, as Cloudflare R2 wants; `auto`: by the endpoint's name."""
    conditional_put: Literal["auto", "none", "put", "complete"] = "auto"
    """Which writes honour conditions; `auto`: probed at start."""
    checksums: Names | Literal["auto"] = "auto"
    """Checksum algorithms to send; `auto`: those the store was seen to verify."""

    @property
    def place(self) -> str:
        """Where it is, for people: without a user and a password, which may be secret."""
        if self.endpoint_url is None:
            return f"Amazon's for {self.region}"
        parts = urlsplit(self.endpoint_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class LocalStorage(Section):
    """A folder on this machine: the embedded store."""

    kind: Literal["local"]
    """`local`."""
    path: Path = Path(".sluice/objects")
    """The folder."""
    durability: Literal["power", "process"] = "power"
    """`power`: what was acknowledged survives a power cut (fsync); `process`: survives `kill -9` only."""
    buckets: Literal["create", "existing"] = "create"
    """Whether a bucket's folder is made at its first use."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.path.absolute())


class MemoryStorage(Section):
    """Objects in this process's memory: for trying things out; gone at the end."""

    kind: Literal["memory"]
    """`memory`."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return "in memory"


StorageSection: TypeAlias = Annotated[
    S3Storage | LocalStorage | MemoryStorage, Field(discriminator="kind")
]


class BucketOptions(Section):
    """What is the same for every object written to a bucket."""

    storage_class: str | None = None
    """`x-amz-storage-class` of new objects."""
    sse: Literal["AES256", "aws:kms"] | None = None
    """Server-side encryption of new objects."""
    sse_kms_key_id: str | None = None
    """The KMS key, with `sse = "aws:kms"`."""
    anonymous: str | None = None
    """The policy for requests without a credential; left out: they are refused."""

    @model_validator(mode="after")
    def _key_with_kms(self) -> "BucketOptions":
        """A key that no encryption uses would leave objects otherwise protected than was asked for."""
        if self.sse_kms_key_id is not None and self.sse != "aws:kms":
            raise ValueError('sse_kms_key_id needs sse = "aws:kms"')
        return self


class BucketSection(BucketOptions):
    """A bucket as clients see it."""

    storage: str
    """The `[storage.<name>]` that holds it."""
    bucket: str | None = None
    """Its name there; left out: the same."""
    prefix: str = ""
    """What is put before every key there."""


class BucketsDefault(BucketOptions):
    """Buckets that are not listed."""

    storage: str
    """The store they are passed through to, under their own names."""
    create: bool = False
    """Whether clients may create buckets there. No effect yet: CreateBucket is answered 501, as `sluice check` says."""
