"""Commands and files that a page of the documentation quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_PROGRAM = re.compile(r"(\.venv/bin/)?(semifreddo|python[\d.]*|pip|tox|tar|make|\./\S+)(?=\s|$)")
_INTO = re.compile(r"into `([^`\s]+)`[^`]*\Z")
_VERB = re.compile(r"semifreddo [a-z-]+")


@dataclass(frozen=True)
class Quote:
    """A command line of a page.

    Attributes:
        text: As it is typed, without the comment behind it and with single spaces.
        block: Whether it stands in a block of commands, and not in a sentence.
    """

    text: str
    block: bool

    @property
    def mention(self) -> bool:
        """Whether a sentence only names a verb."""
        return not self.block and _VERB.fullmatch(self.text) is not None


def commands(page: str) -> list[Quote]:
    """Every command of a page, in order; those joined by ``&&`` one by one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[tuple[int, Quote]] = []
    for fence in _FENCE.finditer(text):
        if fence[1]:
            continue
        for line in fence[2].splitlines():
            bare = re.sub(r"\s{2,}#.*", "", line)
            found += [(fence.start(), quote) for quote in _split(bare, block=True)]
    prose = _FENCE.sub(lambda fence: " " * len(fence[0]), text)
    for inline in re.finditer(r"`([^`]+)`", prose):
        found += [(inline.start(), quote) for quote in _split(inline[1], block=False)]
    return [quote for _, quote in sorted(found, key=lambda item: item[0])]


def _split(line: str, *, block: bool) -> list[Quote]:
    parts = (" ".join(part.split()) for part in line.split("&&"))
    whole = block or line.startswith("./") or " " in line
    return [Quote(part, block) for part in parts if _PROGRAM.match(part) and whole]


def files(page: str) -> dict[str, str]:
    """Blocks that the page tells to copy into a file, by its name."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = {}
    for fence in _FENCE.finditer(text):
        paragraph = text[: fence.start()].rstrip("\n").rpartition("\n\n")[2]
        if fence[1] and (into := _INTO.search(paragraph)):
            found[into[1]] = fence[2]
    return found


def block_with(page: str, start: str) -> str:
    """The block without a language whose text starts so."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return next(f[2] for f in _FENCE.finditer(text) if not f[1] and f[2].startswith(start))
