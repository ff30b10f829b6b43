"""All sections together, and what must hold between them."""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import Field, model_validator

from gateway.settings.sections import (
    AuthSection,
    CompatibilitySection,
    CorsSection,
    KeySection,
    LogSection,
    MemorySection,
    RetrySection,
    ServerSection,
    SessionsSection,
    SlotSection,
    SweepSection,
    TransferSection,
)
from gateway.settings.shape import nearest
from gateway.settings.stores import BucketsDefault, BucketSection, S3Storage, StorageSection
from gateway.settings.values import Section
from gateway.units import MiB

#: The smallest budget with which a part of 5 MiB, S3's smallest, fits a quarter of the slabs beside a slab.
SMALLEST_BUDGET_FOR_S3: Final = 23 * MiB


def _missing(table: str, name: str, known: Iterable[str]) -> str:
    """That a section is named that is not there, and the one that was probably meant."""
    near = nearest(name, list(known))
    hint = "" if near is None else f"; did you mean {near!r}?"
    return f"there is no [{table}.{name}]{hint}"


class Settings(Section):
    """All of it."""

    server: ServerSection = ServerSection()
    storage: dict[str, StorageSection] = Field(default_factory=dict)
    buckets: dict[str, BucketSection] = Field(default_factory=dict)
    buckets_default: BucketsDefault | None = None
    keys: dict[
        Annotated[str, Field(min_length=16, max_length=128, pattern=r"^\w+$")], KeySection
    ] = Field(default_factory=dict)
    slots: dict[str, SlotSection] = Field(default_factory=dict)
    sessions: SessionsSection = SessionsSection()
    memory: MemorySection = MemorySection()
    transfer: TransferSection = TransferSection()
    retry: RetrySection = RetrySection()
    sweep: SweepSection = SweepSection()
    auth: AuthSection = AuthSection()
    compatibility: CompatibilitySection = CompatibilitySection()
    cors: CorsSection = CorsSection()
    log: LogSection = LogSection()

    @property
    def mounts(self) -> dict[str, str]:
        """The buckets that are mounted somewhere, by the setting that names them. One without a section of its own is
        passed through."""
        slots = {f"slots.{name}.bucket": slot.bucket for name, slot in self.slots.items()}
        other = self.compatibility.hmac_file_server
        return slots | ({"compatibility.hmac_file_server": other} if other else {})

    @model_validator(mode="after")
    def _parts_fit(self) -> "Settings":
        """A quarter of the memory holds the oldest unfinished part, and S3 has a smallest one."""
        speaks_s3 = any(isinstance(store, S3Storage) for store in self.storage.values())
        if speaks_s3 and self.memory.budget < SMALLEST_BUDGET_FOR_S3:
            raise ValueError("memory.budget: with a store that speaks S3 at least 23MiB")
        return self

    @model_validator(mode="after")
    def _references(self) -> "Settings":
        """What one section calls another must exist."""
        for name, bucket in self.buckets.items():
            if bucket.storage not in self.storage:
                raise ValueError(
                    f"buckets.{name}.storage: {_missing('storage', bucket.storage, self.storage)}"
                )
        default = self.buckets_default
        if default is not None and default.storage not in self.storage:
            raise ValueError(
                f"buckets_default.storage: {_missing('storage', default.storage, self.storage)}"
            )
        mounted: dict[str, str] = {}
        for name, slot in self.slots.items():
            other = mounted.setdefault(slot.base_path, name)
            if other != name:
                raise ValueError(f"slots.{name}.base_path is that of slots.{other} already")
            if slot.bucket not in self.buckets and default is None:
                raise ValueError(
                    f"slots.{name}.bucket: {_missing('buckets', slot.bucket, self.buckets)}"
                )
            if slot.base_path.strip("/") in self.buckets:
                raise ValueError(f"slots.{name}.base_path equals the name of a bucket")
        return self

    @model_validator(mode="after")
    def _compatible(self) -> "Settings":
        """A mount takes its bucket from somewhere, and nobody else's paths."""
        bucket = self.compatibility.hmac_file_server
        if not bucket:
            return self
        near = nearest(bucket, list(self.buckets))
        if bucket not in self.buckets and (self.buckets_default is None or near is not None):
            missing = _missing("buckets", bucket, self.buckets)
            raise ValueError(f"compatibility.hmac_file_server: {missing}")
        for shadowed in ("chunked-upload", "upload-status"):
            if shadowed in self.buckets:
                raise ValueError(
                    f"compatibility.hmac_file_server takes the path of the bucket {shadowed}"
                )
        return self
