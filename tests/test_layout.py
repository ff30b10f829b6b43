"""The house rules that no linter knows, as tests."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import pytest

import gateway.protocol.dialects
from gateway import errors
from gateway.cli.reference import pages
from gateway.errors import ClientGone, GatewayError
from gateway.protocol.commands import RequestHead
from gateway.protocol.remedies import every_error
from gateway.settings import Settings, shape

ROOT: Final = Path(__file__).parent.parent
MODULES: Final = sorted((ROOT / "gateway").rglob("*.py"))
TESTS: Final = sorted((ROOT / "tests").rglob("test_*.py"))
MAX_MODULE: Final = 300
MAX_FUNCTION: Final = 40

#: Tests of no single module: rules, whole programs, and facts between several modules.
FREE: Final = {"test_layout.py", "test_documents.py"}
FREE_FOLDERS: Final = {
    "bench",
    "loadtests",
    "clients",
    "chaos",
    "faults",
    "wire",
    "acceptance",
    "servers",
    "e2e",
    "security",
    "conformance",
}
#: Declarations without behaviour: types and protocols, whose fillers are tested.
DECLARED: Final = {
    "gateway/errors/access.py",
    "gateway/errors/requests.py",
    "gateway/errors/root.py",
    "gateway/errors/service.py",
    "gateway/errors/state.py",
    "gateway/model.py",
    "gateway/telemetry.py",
    "gateway/auth/grant.py",
    "gateway/client/uploading/job.py",
    "gateway/client/uploading/steps.py",
    "gateway/protocol/commands.py",
    "gateway/protocol/upload_commands.py",
    "gateway/server/link.py",
    "gateway/sessions/base.py",
    "gateway/storage/base.py",
    "gateway/storage/s3/plane.py",
    "gateway/transfer/sweep_report.py",
}

#: Halves and pieces of one machine that mean little apart: tested together, over real sockets.
TOGETHER: Final = {
    f"gateway/storage/s3/wire_{name}.py": "tests/storage/s3/test_wire_plane.py"
    for name in ("answer", "body", "headers", "link", "outgoing", "refusal", "source")
} | {
    "gateway/auth/slots.py": "tests/auth/test_authenticator.py",
    "gateway/client/async_client.py": "tests/client/uploading/test_driver.py",
    "gateway/client/uploading/async_driver.py": "tests/client/uploading/test_driver.py",
    "gateway/server/wire.py": "tests/server/test_body.py",
    "gateway/sessions/memory_uploads.py": "tests/sessions/test_uploads.py",
    "gateway/sessions/redis_link.py": "tests/sessions/test_redis.py",
    "gateway/sessions/redis_scripts.py": "tests/sessions/test_redis_uploads.py",
    "gateway/sessions/sqlite_file.py": "tests/sessions/test_sqlite.py",
    "gateway/storage/s3/deleting.py": "tests/storage/s3/test_store.py",
    "gateway/pipeline/filling.py": "tests/pipeline/test_sink.py",
    "gateway/transfer/resumable/request_sink.py": "tests/transfer/resumable/test_takeover.py",
    "gateway/transfer/resumable/body.py": "tests/transfer/resumable/test_appending.py",
    "gateway/transfer/resumable/commits.py": "tests/transfer/resumable/test_appending.py",
    "gateway/transfer/resumable/engine.py": "tests/transfer/resumable/test_takeover.py",
    "gateway/transfer/resumable/outcome.py": "tests/transfer/resumable/test_completing.py",
    "gateway/transfer/resumable/slice_builder.py": "tests/transfer/resumable/test_appending.py",
    "gateway/web/upload_wishes.py": "tests/web/test_carry_uploads.py",
    "gateway/transfer/resumable/slice_sink.py": "tests/transfer/resumable/test_appending.py",
}


def mirror_of(module: Path) -> Path:
    path = module.relative_to(ROOT / "gateway")
    return ROOT / "tests" / path.with_name(f"test_{path.name}")


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_module_has_its_tests() -> None:
    missing = [
        short(module)
        for module in MODULES
        if not module.name.startswith("__")
        and short(module) not in DECLARED
        and not mirror_of(module).exists()
        and not (short(module) in TOGETHER and (ROOT / TOGETHER[short(module)]).exists())
    ]
    assert missing == []


def test_every_test_stands_with_its_module_or_its_room() -> None:
    """A room's folder may also hold tests of facts between its modules; the root may not."""
    mirrors = {mirror_of(module) for module in MODULES}
    rooms = {mirror.parent for mirror in mirrors} - {ROOT / "tests"}
    stray = [
        short(test)
        for test in TESTS
        if test not in mirrors
        and test.parent not in rooms
        and test.name not in FREE
        and test.relative_to(ROOT / "tests").parts[0] not in FREE_FOLDERS
    ]
    assert stray == []


@pytest.mark.parametrize("module", MODULES, ids=short)
def test_modules_and_functions_stay_small_enough_to_read(module: Path) -> None:
    """All lines count, blank ones and prose too: what does not fit a screen is two things."""
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION, node.name


def test_no_module_is_named_for_nothing() -> None:
    vague = {"utils", "helpers", "managers", "manager", "core", "services", "common", "misc"}
    assert [short(module) for module in MODULES if {module.stem, module.parent.name} & vague] == []


def test_every_error_is_had_from_one_place() -> None:
    hidden = [error.__name__ for error in every_error() if error.__name__ not in errors.__all__]
    assert hidden == []


#: A client that is gone reads nothing.
RENDERED: Final = [error for error in every_error() if error is not ClientGone]


def dialects() -> Iterator[Any]:
    """Every codec there is, found and not listed."""
    package = gateway.protocol.dialects
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        yield from (
            thing()
            for name, thing in vars(module).items()
            if inspect.isclass(thing)
            and name.endswith("Dialect")
            and thing.__module__ == module.__name__
        )


def example(error: type[GatewayError]) -> GatewayError:
    """An instance, with something for every argument that its class asks for."""
    values: dict[str, Any] = {"allow": ("GET",), "size": 7}
    wanted = inspect.signature(error).parameters
    return error("What & why.", **{k: v for k, v in values.items() if k in wanted})


@pytest.mark.parametrize("dialect", list(dialects()), ids=lambda dialect: str(dialect.name))
@pytest.mark.parametrize("error", RENDERED, ids=lambda error: str(error.__name__))
def test_every_error_has_a_rendering_in_every_dialect(
    dialect: Any, error: type[GatewayError]
) -> None:
    head = dialect.render_error(RequestHead("GET", b"/b/k"), example(error), "id")
    assert 400 <= head.status <= 599
    assert b"What &" in head.body
    assert b"id" in head.body
    without = dialect.render_error(RequestHead("HEAD", b"/b/k"), example(error), "id")
    assert without.body == b""
    # Clients of resumable uploads take any unusual 4xx on HEAD for the end.
    patient = {503} if error.retryable and dialect.name in ("tus", "rufh") else set()
    assert without.status in {head.status} | patient


def settings_of(here: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """Every setting below a shape: (section, name, field)."""
    for section in shape.sections(shape.inside(here, {}, "") if shape.is_map(here) else here):
        for name, field in section.model_fields.items():
            if shape.is_table(field.annotation):
                yield from settings_of(field.annotation, name)
            else:
                yield path, name, field


SETTINGS: Final = list(settings_of(Settings, ""))


@pytest.mark.parametrize(
    ("section", "name", "field"),
    SETTINGS,
    ids=[f"{section}.{name}" for section, name, _ in SETTINGS],
)
def test_pitfall_22_every_setting_is_documented_and_read_by_some_code(
    section: str, name: str, field: Any
) -> None:
    assert field.description, "give it a docstring"
    if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1:
        return  # there is nothing to choose
    readers = [
        module
        for module in MODULES
        if "settings" not in module.relative_to(ROOT).parts
        and re.search(rf"\.{name}\b", module.read_text(encoding="utf-8"))
    ]
    assert readers, f"no code reads {section}.{name}"


@pytest.mark.parametrize("path", pages(), ids=str)
def test_generated_pages_are_up_to_date(path: Path) -> None:
    written = (ROOT / path).read_text(encoding="utf-8")
    assert written == pages()[path], "run `make docs`"


def test_the_project_can_be_read_without_its_workplace() -> None:
    foreign = re.compile(r"/tmp/(?!\S*\bexample)|localhost:\d+/simple")
    texts = [
        path
        for pattern in ("gateway/**/*.py", "docs/**/*.md", "*.md", "Makefile", "*.txt", "deploy/*")
        for path in ROOT.glob(pattern)
        if path.is_file()
    ]
    assert len(texts) > 20
    found = [short(path) for path in texts if foreign.search(path.read_text(encoding="utf-8"))]
    assert found == []
