"""Links between the pages of the documentation lead somewhere."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PAGES = sorted(
    page
    for folder in ("docs", "boards", "hls_projects")
    for page in (_ROOT / folder).rglob("*.md")
    if "build" not in page.relative_to(_ROOT).parts
) + sorted(_ROOT.glob("*.md"))


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return frozenset(re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings)


def _broken(page: Path, text: str) -> list[str]:
    """Links of a text on a page that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert _broken(page, page.read_text(encoding="utf-8")) == []


def test_broken_links_are_seen() -> None:
    page = _ROOT / "docs" / "rtl.md"
    text = "[a](rtl-design.md#time) [b](#buses) [c](https://x.org) [d](none.md) [e](rtl.md#none)"
    assert _broken(page, text) == ["none.md", "rtl.md#none"]


_PACKAGE = _ROOT / "toolkit" / "semifreddo"
_FILE = re.compile(r"[\w./]+\.(py|sv|cpp|h|tcl)")
_NAME = re.compile(r"(semifreddo\.)?[a-z_]+(\.\w+){2,}|semifreddo(\.\w+)+")
_GENERATED = {"docs/reference/design.md"}
"""Names figures of reports, which look like modules."""
_OTHER = {"semifreddo.transports", "semifreddo.json"}
"""An entry-point group and a file."""


def _lost_files(text: str) -> list[str]:
    """Files below a folder of ours that a page names in code marks, and that are not there."""
    named = [name for name in re.findall(r"`([^`\s]+)`", text) if _FILE.fullmatch(name)]
    return [
        name
        for name in named
        if any((base / name.split("/")[0]).is_dir() for base in (_ROOT, _PACKAGE))
        and "/" in name
        and "NAME" not in name
        and not any((base / name).is_file() for base in (_ROOT, _PACKAGE))
    ]


def _lost_names(text: str) -> list[str]:
    """Names of modules, and what is in them, that a page has in code marks and the code has not."""
    named = re.findall(r"`([^`\s(]+)(?:\([^`]*\))?`", text)
    return [
        name
        for name in named
        if _NAME.fullmatch(name) and not _in_code(name) and name not in _OTHER
    ]


def _in_code(name: str) -> bool:
    first, *rest = name.removeprefix("semifreddo.").split(".")
    if not (_PACKAGE / first).is_dir():
        return not name.startswith("semifreddo.") or (_PACKAGE / f"{first}.py").is_file()
    place = _PACKAGE / first
    while rest and (place / rest[0]).is_dir():
        place /= rest.pop(0)
    module = place / f"{rest[0]}.py" if rest else place / "__init__.py"
    if rest and not module.is_file():
        module = place / "__init__.py"
    elif rest:
        rest.pop(0)
    text = module.read_text(encoding="utf-8")
    return not rest or re.search(rf"\b{re.escape(rest[0])}\b", text) is not None


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_what_a_page_names_is_in_the_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert _lost_files(text) == []
    if str(page.relative_to(_ROOT)) not in _GENERATED:
        assert _lost_names(text) == []


def test_lost_names_are_seen() -> None:
    text = (
        "`core/none.py` `core/fixed.py` `no/such.py` `rtl.none.Name` `core.fixed.FixedType(8, 4)`"
    )
    assert _lost_files(text) == ["core/none.py"]
    assert _lost_names(f"{text} `core.fixed.None_(1, 2)` `semifreddo.nothing`") == [
        "rtl.none.Name",
        "core.fixed.None_",
        "semifreddo.nothing",
    ]
