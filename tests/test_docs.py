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
