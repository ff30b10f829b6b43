"""Which store, bucket and key stand behind the ones that a client names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import BucketNotFound, Forbidden, KeyTooLong
from gateway.model import Attributes, ObjectKey
from gateway.protocol.paths import MAX_KEY
from gateway.settings import Settings
from gateway.settings.stores import BucketOptions
from gateway.storage.base import ObjectStore

#: What the gateway's own keys begin with, below the prefix of each bucket. No client's key ever does.
HIDDEN: Final = ".sluice/"


@dataclass(slots=True)  # not frozen: see gateway.model
class Placement:
    """Where an object lives: ``key`` is the store's own."""

    store: ObjectStore
    key: ObjectKey
    options: BucketOptions

    def attributes(self, client: Attributes) -> Attributes:
        """The client's attributes with those that the bucket's configuration adds."""
        options = self.options
        if options.storage_class is None and options.sse is None:
            return client
        return replace(
            client,
            storage_class=options.storage_class,
            sse=options.sse,
            sse_kms_key_id=options.sse_kms_key_id,
        )


@dataclass(frozen=True, slots=True)
class _Area:
    """Where a client's bucket lies: the store's ``bucket``, under ``prefix``. No client's key begins there with one of
    ``hidden``."""

    store: ObjectStore
    bucket: str
    prefix: str
    options: BucketOptions
    hidden: tuple[str, ...]


class Placements:
    """The map from clients' buckets to stores, as the configuration draws it."""

    def __init__(self, settings: Settings, stores: Mapping[str, ObjectStore]) -> None:
        self._buckets = settings.buckets
        self._default = settings.buckets_default
        self._stores = stores
        self._mounted = set(settings.mounts.values()) - settings.buckets.keys()
        self._hidden: dict[tuple[str, str], tuple[str, ...]] = {}
        for name, section in settings.buckets.items():
            there = section.storage, section.bucket or name
            self._hidden[there] = (*self._hidden.get(there, (HIDDEN,)), section.prefix + HIDDEN)
        self._areas = {
            name: self._area(section.storage, section.bucket or name, section.prefix, section)
            for name, section in settings.buckets.items()
        }

    def _area(self, store: str, bucket: str, prefix: str, options: BucketOptions) -> _Area:
        hidden = self._hidden.get((store, bucket), (HIDDEN,))
        return _Area(self._stores[store], bucket, prefix, options, hidden)

    def resolve(self, key: ObjectKey) -> Placement:
        """Place a client's key.

        Raises:
            BucketNotFound: no section places this bucket.
            KeyTooLong: with the bucket's prefix, the key is over 1,024 bytes.
            Forbidden: it is one of the gateway's own.
        """
        area = self._find(key.bucket)
        placement = _placed(area, key)
        if placement.key.name.startswith(area.hidden):
            raise Forbidden(f"Keys under {HIDDEN} are the gateway's own.")
        return placement

    def hidden(self, bucket: str, name: str) -> Placement:
        """Place a key of the gateway's own, whose ``name`` begins with :data:`HIDDEN`, beside a client's bucket.

        Raises:
            BucketNotFound: no section places this bucket.
        """
        return _placed(self._find(bucket), ObjectKey(bucket, name))

    def _find(self, bucket: str) -> _Area:
        area = self._areas.get(bucket)
        if area is not None:
            return area
        if self._default is not None:
            return self._area(self._default.storage, bucket, "", self._default)
        raise BucketNotFound(f"There is no bucket {bucket!r} here.")

    def anonymous(self) -> Mapping[str, str]:
        """The policy for requests without a credential, by bucket; none where there is no entry."""
        return AnonymousPolicies(self._buckets, self._default)

    def areas(self) -> list[tuple[ObjectStore, str, str]]:
        """Every (store, bucket there, prefix) that the configuration names: what probes and sweeps look at.

        Beside the listed buckets these are the mounted ones that are passed through.
        """
        listed = [
            (self._stores[section.storage], section.bucket or name, section.prefix)
            for name, section in self._buckets.items()
        ]
        store = self.passed_to
        return listed + (
            [] if store is None else [(store, name, "") for name in sorted(self._mounted)]
        )

    @property
    def passed_to(self) -> ObjectStore | None:
        """The store that has all buckets which are not listed, if there is one."""
        return None if self._default is None else self._stores[self._default.storage]

    async def passed_through(self) -> list[str]:
        """The buckets that are passed through and nobody has named: as the store lists them, if it does.

        Raises:
            StorageError: the store does not answer, or refuses us.
        """
        store, named = self.passed_to, self.named()
        found = None if store is None else await store.list_buckets()
        return [bucket for bucket in found or () if bucket not in named]

    def named(self) -> frozenset[str]:
        """The buckets that clients don't reach there by their own names, and the mounted ones: those are areas."""
        return frozenset(self._buckets) | self._mounted


def _placed(area: _Area, key: ObjectKey) -> Placement:
    name = area.prefix + key.name
    # No character has more than four bytes.
    if len(name) * 4 > MAX_KEY and len(name.encode()) > MAX_KEY:
        raise KeyTooLong(f"Where this bucket is stored, the key is over {MAX_KEY} bytes.")
    unmoved = not area.prefix and area.bucket == key.bucket
    return Placement(area.store, key if unmoved else ObjectKey(area.bucket, name), area.options)


class AnonymousPolicies(Mapping[str, str]):
    """Policies of unsigned requests by bucket. A bucket that is not listed has the default section's; so it
    has an entry without being iterated over."""

    def __init__(self, buckets: Mapping[str, BucketOptions], default: BucketOptions | None) -> None:
        self._policies = {name: section.anonymous for name, section in buckets.items()}
        self._default = None if default is None else default.anonymous

    def __getitem__(self, bucket: str) -> str:
        # A listed bucket has its own section's word, also where that is none.
        policy = self._policies.get(bucket, self._default)
        if policy is None:
            raise KeyError(bucket)
        return policy

    def __iter__(self) -> Iterator[str]:
        return (name for name, policy in self._policies.items() if policy is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
