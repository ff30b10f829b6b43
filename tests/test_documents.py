"""What is named in the code's own documentation, and on the pages for people, is there."""

import importlib
import inspect
import re
import textwrap
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.settings import S3Storage, Settings, load_settings, shape
from gateway.web.metrics import Metrics

ROOT: Final = Path(__file__).parent.parent
MODULES: Final = sorted((ROOT / "gateway").rglob("*.py"))
#: But the history, which names what was.
PAGES: Final = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md")
    for page in ROOT.glob(pattern)
    if page.name != "CHANGELOG.md"
)
DECISIONS: Final = sorted((ROOT / "docs" / "decisions").glob("*.md"))
#: Names of files that stand for any of their kind.
EXAMPLES: Final = {"gateway/a/b.py", "tests/a/test_b.py"}

TARGET: Final = re.compile(r":(?:attr|class|data|func|meth|mod):`~?([^`]+)`")
CODE: Final = re.compile(r"`([^`\n]+)`")
FILE: Final = re.compile(r"[\w./-]+\.(?:py|md|js|toml|yaml|service)(?<!keys\.json)")


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_there(dotted: str) -> bool:
    """Whether there is such a module, or such a thing in one."""
    names = dotted.split(".")
    for count in range(len(names), 0, -1):
        try:
            here: Any = importlib.import_module(".".join(names[:count]))
        except ImportError:
            continue
        return all((here := member(here, name)) is not None for name in names[count:])
    return False


def member(owner: Any, name: str) -> Any:
    """What ``owner`` has under this name; of what only its instances have, that they do."""
    if hasattr(owner, name):
        return getattr(owner, name)
    declared = name in vars(owner).get("__annotations__", {})
    made = inspect.isclass(owner) and f"self.{name}" in inspect.getsource(owner)
    return True if declared or made else None


def scopes(module: Path) -> list[str]:
    """What a bare name in a module's text may belong to: the module, and its classes."""
    name = ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    classes = re.findall(r"^ *class (\w+)", module.read_text(encoding="utf-8"), re.MULTILINE)
    return [name, *(f"{name}.{each}" for each in classes)]


@pytest.mark.parametrize(
    "module",
    [each for each in MODULES if TARGET.search(each.read_text(encoding="utf-8"))],
    ids=short,
)
def test_what_a_docstring_refers_to_is_there(module: Path) -> None:
    own = scopes(module)
    room = own[0] if module.name == "__init__.py" else own[0].rpartition(".")[0]
    lost = [
        target
        for target in TARGET.findall(module.read_text(encoding="utf-8"))
        if not any(
            is_there(each)
            for each in (
                [room + target]
                if target.startswith(".")
                else [target, *(f"{scope}.{target}" for scope in own)]
            )
        )
    ]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {code for code in CODE.findall(text) if FILE.fullmatch(code) and code[0] != "/"}
    missing = [
        name
        for name in named - EXAMPLES
        if not list(ROOT.glob(f"[!.]*/**/{name}")) and not (ROOT / name).exists()
    ]
    assert missing == []


def test_settings_that_pages_name_exist() -> None:
    sections = {
        name: shape.names(field.annotation, {})
        for name, field in Settings.model_fields.items()
        if not shape.is_map(field.annotation)
    }
    named = [
        (short(page), section, name)
        for page in PAGES
        for code in CODE.findall(page.read_text(encoding="utf-8"))
        for section, name in re.findall(r"^(\w+)\.(\w+)\b(?!\()", code)
        if section in sections
    ]
    assert len(named) > 20
    assert [each for each in named if each[2] not in sections[each[1]]] == []


def test_metrics_that_pages_name_exist() -> None:
    exposed = Metrics(1).text().decode()
    named = {
        name
        for page in PAGES
        for name in re.findall(r"\bsluice_[a-z_]+", page.read_text(encoding="utf-8"))
    }
    assert named
    assert [name for name in named if f"# TYPE {name} " not in exposed] == []


def test_every_page_is_in_the_contents_and_every_decision_in_the_architecture() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    pages = [path.relative_to(ROOT / "docs") for path in PAGES if ROOT / "docs" in path.parents]
    assert [page for page in pages if f" {page}\n" not in contents] == []
    assert [path.name for path in DECISIONS if f"(decisions/{path.name})" not in architecture] == []


def test_the_architecture_has_the_rooms_that_there_are_and_imports_as_they_are_checked() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms, arrows, *_ = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    found = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "gateway").iterdir()
        if not path.name.startswith("_")
    ]
    assert [name for name in found if not re.search(rf"(^|\s){re.escape(name)}\s", rooms)] == []

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    assert " ".join(arrows.split()) == " > ".join(layers).replace("gateway.", "")


# --- deploy/ ---


def deployed(name: str) -> str:
    return (ROOT / "deploy" / name).read_text(encoding="utf-8")


def test_an_image_is_built_of_what_its_context_holds_and_no_keys_are_in_that() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", deployed("Dockerfile"), re.MULTILINE)
        for source in line.split()
    ]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert len(copied) >= 5
    assert all((ROOT / source).exists() and f"!{source}" in ignored for source in copied)
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    assert not [line for line in kept if fnmatch(".sluice", line) or fnmatch(".venv", line)]


def test_settings_that_containers_are_given_exist() -> None:
    given = re.findall(
        r"(SLUICE_\w+)(?:=|: )(\S+)", deployed("Dockerfile") + deployed("compose.yaml")
    )
    assert len(given) == 3
    load_settings(None, dict(given))


def test_the_service_s_configuration_is_right() -> None:
    found = load_settings(ROOT / "deploy" / "sluice.toml", {})
    assert str(found.server.data_dir) == "/var/lib/sluice"


def test_the_manifest_s_configuration_is_right_among_what_kubernetes_adds(tmp_path: Path) -> None:
    manifest = deployed("kubernetes.yaml")
    block = re.search(r"^  sluice\.toml: \|\n(.*?)^---$", manifest, re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "sluice.toml").write_text(textwrap.dedent(block[1]))
    environ = dict.fromkeys(re.findall(r"name: (SLUICE_\w+)", manifest), "x" * 20)
    links = {"SLUICE_SERVICE_HOST": "10.0.0.1", "SLUICE_PORT": "tcp://10.0.0.1:80"}
    found = load_settings(tmp_path / "sluice.toml", environ | links)
    store = found.storage["main"]
    assert isinstance(store, S3Storage)
    assert store.access_key_id == "x" * 20
