import pytest

# The contract is imported by test modules; its asserts shall explain themselves as theirs do.
for _part in (
    "contract_base",
    "contract_objects",
    "contract_writes",
    "contract_multipart",
    "contract_parts",
):
    pytest.register_assert_rewrite(f"tests.storage.{_part}")
