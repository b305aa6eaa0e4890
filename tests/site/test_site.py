"""The documentation as a site: it is whole, and needs no network."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("mkdocs", reason="needs mkdocs (extra docs); tox -e docs runs these tests")

ROOT = Path(__file__).parents[2]
_VOID = {"meta", "link", "br", "img", "input", "hr", "path", "col", "wbr"}
_CODE = {"code", "pre", "script", "style"}
_IMPORT = re.compile(r"^ *from (semifreddo[\w.]*) import ([\w, ]+)$", re.M)
_LEFT_OVER = re.compile(
    r"^(- |\d\. |\|.*\||```|:::)|``|:(attr|class|data|exc|func|meth|mod|obj):|\*\*\w"
)


class Page(HTMLParser):
    """What a page of the site links to, loads and says outside of code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self._said: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.anchors.add(str(given["id"]))
        for key in ("href", "src"):
            if value := given.get(key):
                (self.links if tag == "a" else self.loads).append(value)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not _CODE & set(self._open):
            self._said.append(data)

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in "".join(self._said).splitlines() if line.strip()]


@pytest.fixture(scope="module")
def site() -> Path:
    """The site that ``tox -e docs`` has just built."""
    if "SEMIFREDDO_SITE" not in os.environ:
        pytest.skip("tox -e docs builds the site")
    return Path(os.environ["SEMIFREDDO_SITE"])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    del found[site / "404.html"]  # its links are relative to the server's root
    return found


def test_every_page_of_the_documentation_is_there(site: Path, pages: dict[Path, Page]) -> None:
    docs = ROOT / "docs"
    wanted = {
        str(page.relative_to(docs).with_suffix(".html")).replace("README", "index")
        for page in docs.rglob("*.md")
    } | {"index.html", "contributing.html", "changelog.html"}
    assert wanted <= {str(page.relative_to(site)) for page in pages}


def test_links_and_anchors_lead_somewhere(pages: dict[Path, Page]) -> None:
    dead = []
    for path, page in pages.items():
        for link in page.links:
            name, _, anchor = link.partition("#")
            if re.match("[a-z]+:", link):
                continue
            target = path.parent.joinpath(name).resolve() if name else path
            lost = anchor and target in pages and anchor not in pages[target].anchors
            if not target.exists() or lost:
                dead.append(f"{path.name}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page]) -> None:
    assert [load for page in pages.values() for load in page.loads if "//" in load] == []


def test_no_markup_is_left_in_the_text(pages: dict[Path, Page]) -> None:
    left = [
        f"{path.name}: {line}"
        for path, page in pages.items()
        for line in page.lines
        if _LEFT_OVER.search(line)
    ]
    assert left == []


def _public() -> Iterator[str]:
    """Names in the ``__all__`` of packages, and those that pages and examples import."""
    for init in (ROOT / "toolkit" / "semifreddo").glob("*/__init__.py"):
        for statement in ast.parse(init.read_text()).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
                for name in ast.literal_eval(statement.value):
                    yield f"semifreddo.{init.parent.name}.{name}"
    places = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py")]
    places.remove(ROOT / "docs" / "new-layer-kind.md")  # for who changes the toolkit itself
    for place in places:
        text = place.read_text(encoding="utf-8")
        for module, names in _IMPORT.findall(text):
            yield from (f"{module}.{name.strip()}" for name in names.split(","))


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    pages = (site / "reference" / "api").glob("*.html")
    reference = "".join(page.read_text(encoding="utf-8") for page in pages)
    public = set(_public())
    assert len(public) > 40
    assert {name for name in public if f'id="{name}"' not in reference} == set()


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "site_hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "text", "moved"),
    [
        ("index.md", "[a](docs/rtl.md#buses)", "[a](rtl.md#buses)"),
        ("index.md", "[a](hls_projects/digits)", "[a](repository/hls_projects/digits/README.md)"),
        ("rtl.md", "[a](rtl-design.md)", "[a](rtl-design.md)"),
        ("rtl.md", "[a](../CONTRIBUTING.md)", "[a](contributing.md)"),
        ("boards/zcu104.md", "![a](../../boards/x.svg)", "![a](../../boards/x.svg)"),
        (
            "boards/zcu104.md",
            "[a](../../boards/zcu104/board.toml)",
            "[a](../repository/boards/zcu104/board.toml)",
        ),
        ("repository/boards/zcu104/README.md", "[a](../../docs/pynq.md)", "[a](../../../pynq.md)"),
        ("rtl.md", "```\n[a](../CONTRIBUTING.md)\n```", "```\n[a](../CONTRIBUTING.md)\n```"),
        ("rtl.md", "[a](none.md) [b](#buses) [c](https://x.y)", None),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(
    hooks: ModuleType, page: str, text: str, moved: str | None
) -> None:
    """A dead link stays as it is, so that MkDocs complains of it."""
    there = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert hooks.on_page_markdown(text, there) == (text if moved is None else moved)
