"""Hooks of MkDocs: the site's pages are the repository's files, with their links.

A page links to files as GitHub shows them (``../boards/zcu104/board.toml``). The site has ``docs/``
at its root; other files of the repository that a page links to stand below ``repository/``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

RENAMED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages at the root of the repository, and their names on the site."""

_FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):(<code>)~?")


def on_files(files: Files, config: Any) -> Files:
    """Take in the pages at the root of the repository, and every file that a page links to."""
    waiting = list(RENAMED)
    waiting += [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        if not path.startswith("docs/"):
            source = str(ROOT / path)
            files.append(File.generated(config, site_path(path), abs_src_path=source))
        if path.endswith(".md"):
            found = set(_linked(path)) - seen
            seen |= found
            waiting += sorted(found)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn the links of a page into those of the site."""
    path = repository_path(page.file.src_uri)
    here = posixpath.dirname(page.file.src_uri)

    def moved(link: str) -> str:
        target = _target(path, link)
        if target is None:
            return link
        anchor = link.partition("#")[2]
        uri = posixpath.relpath(site_path(target), here or ".")
        return f"{uri}#{anchor}" if anchor else uri

    def change(text: str) -> str:
        return _LINK.sub(lambda match: match[1] + moved(match[2]) + match[3], text)

    return _outside_code(markdown, change)


def on_page_content(html: str, **_: Any) -> str:
    """Drop Sphinx' roles, which docstrings put before names."""
    return _ROLE.sub(r"\1", html)


def site_path(path: str) -> str:
    """Where a file of the repository stands on the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return RENAMED.get(path, f"repository/{path}")


def repository_path(uri: str) -> str:
    """The file of the repository that stands there on the site."""
    if uri.startswith("repository/"):
        return uri.removeprefix("repository/")
    return {new: old for old, new in RENAMED.items()}.get(uri, f"docs/{uri}")


def _linked(path: str) -> list[str]:
    """Files of the repository to which a page links."""
    text = _FENCE.sub("", (ROOT / path).read_text(encoding="utf-8"))
    targets = (_target(path, match[2]) for match in _LINK.finditer(text))
    return [target for target in targets if target is not None]


def _target(path: str, link: str) -> str | None:
    """The file that a link means (of a folder, its README), or ``None`` if it is none of ours."""
    name = link.partition("#")[0]
    if not name or re.match(r"[a-z]+:", name):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    if (ROOT / target).is_dir():
        target = f"{target}/README.md"
    return target if (ROOT / target).is_file() else None


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """A text, changed outside its fenced blocks."""
    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])
