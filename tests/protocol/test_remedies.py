"""What to do about each error."""

from gateway import errors
from gateway.protocol.remedies import REMEDIES, every_error, remedy


def test_every_error_has_a_remedy_that_is_a_sentence() -> None:
    for error in every_error():
        assert remedy(error)[0].isupper()
        assert remedy(error).endswith(".")


def test_an_error_without_a_line_of_its_own_has_its_parents() -> None:
    assert errors.StorageThrottled not in REMEDIES
    assert remedy(errors.StorageThrottled) == REMEDIES[errors.StorageUnavailable]


def test_the_tree_is_walked_from_its_root_and_each_class_once() -> None:
    found = every_error()
    assert found[0] is errors.GatewayError
    assert len(found) == len(set(found))
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.GatewayError):
            assert value in found, name
