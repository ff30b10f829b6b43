"""The contract of every object store: subclass :class:`StoreContract` in the store's test module and
give it two fixtures.

    class TestMemoryStore(StoreContract):
        @pytest.fixture
        async def store(self) -> AsyncIterator[ObjectStore]: ...   # started; probed where that matters

        @pytest.fixture
        def bucket(self) -> str: ...                                # exists, or is made by the first write

Optional class attributes say what a store cannot do for reasons of its own: ``missing_bucket`` (None
where buckets come into being by themselves), ``odd_keys`` (keys a server in between rewrites are left
out). Attributes are ASCII here, as S3 takes them in headers: how other text is carried is the dialects'
matter. What a store announces in ``capabilities`` is read from there.
"""

from tests.storage.contract_multipart import MultipartContract
from tests.storage.contract_objects import ObjectContract
from tests.storage.contract_parts import PartContract
from tests.storage.contract_writes import WriteContract


class StoreContract(ObjectContract, WriteContract, PartContract, MultipartContract):
    """All that every store does. Stores with passages run the contract of those as well."""
