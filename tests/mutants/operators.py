"""One-token changes of Python, Verilog and C++: where they are possible, and what they make."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

Change = tuple[int, int, str]
"""Start, end and what stands there instead."""


@dataclass(frozen=True)
class Mutant:
    """A changed text.

    Attributes:
        text: The whole file.
        line: Line of the change, from 1.
        operator: Kind of the change.
    """

    text: str
    line: int
    operator: str


_COMPARED = {"<": (">=", "<="), ">": ("<=", ">="), "<=": (">", "<"), ">=": ("<", ">")}
_COMPARED |= {"==": ("!=",), "!=": ("==",)}
_SPACED = re.compile(r"(?<= )(<|>|<=|>=|==|!=|&&|\|\||\+|-|<<|>>|<<<|>>>)(?= )")
_SWAPPED = {"&&": "||", "||": "&&", "+": "-", "-": "+", "<<": ">>", ">>": "<<", "<<<": ">>>"}
_SWAPPED |= {">>>": ">>"}
_NUMBER = re.compile(r"(?<![\w'.\"])\d+(?![\w'.\"])")
_BIT = re.compile(r"1'b[01]")
_BRANCHES = re.compile(r" \? ([^?:;(){}]+) : ([^?:;(){},]+)")
_NOT = re.compile(r"(?<=[ (,])[!~](?=[\w(])")
_SIGNED = re.compile(r"\$signed(?=\()|(?<=[ (])signed ")
_WORD = re.compile(r"\b(true|false)\b")


def _code(text: str, language: str) -> str:
    """The text with comments, strings and lines of the preprocessor blanked."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", "\0", found[0])

    text = re.sub(r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"", blank, text, flags=re.DOTALL)
    if language == "verilog":
        text = re.sub(r"`ifdef SF_PROBE.*?`endif", blank, text, flags=re.DOTALL)
    return re.sub(r"(?m)^\s*[#`][^\n]*|^\s*static_assert[^;]*;", blank, text)


def token_changes(text: str, language: str) -> dict[str, list[Change]]:
    """All changes of a Verilog or C++ text, by kind."""
    code = _code(text, language)
    found: dict[str, list[Change]] = {}

    def add(kind: str, match: re.Match[str], new: str) -> None:
        found.setdefault(kind, []).append((match.start(), match.end(), new))

    for match in _SPACED.finditer(code):
        if match[0] in _COMPARED:
            if language == "verilog" and match[0] == "<=":
                continue  # an assignment
            for other in _COMPARED[match[0]]:
                add("comparison", match, other)
        else:
            kind = "logic" if match[0] in ("&&", "||") else "arithmetic"
            add(kind, match, _SWAPPED[match[0]])
    for match in _NUMBER.finditer(code):
        value = int(match[0])
        add("number", match, str(value + 1))
        if value:
            add("number", match, str(value - 1))
    for match in _BRANCHES.finditer(code):
        if "\0" not in match[0]:
            add("branches", match, f" ? {match[2]} : {match[1]}")
    for match in _NOT.finditer(code):
        add("negation", match, "")
    if language == "verilog":
        for match in _BIT.finditer(code):
            add("constant", match, "1'b1" if match[0] == "1'b0" else "1'b0")
        for match in _SIGNED.finditer(code):
            add("sign", match, "")
    else:
        for match in _WORD.finditer(code):
            add("constant", match, "false" if match[0] == "true" else "true")
    return found


def mutate_tokens(text: str, language: str, draw: random.Random) -> Mutant | None:
    """A change of a Verilog or C++ text: the kind is drawn first, so that numbers do not rule."""
    changes = token_changes(text, language)
    if not changes:
        return None
    kind = draw.choice(sorted(changes))
    start, end, new = draw.choice(changes[kind])
    return Mutant(text[:start] + new + text[end:], text[:start].count("\n") + 1, kind)


class _Plain(ast.NodeTransformer):
    """Takes away what is not executed or only forbids.

    Annotations and imports for them, decorators of classes, ``strict`` of ``zip``, assertions, and
    which parameters may be given by position or by name.
    """

    def visit_If(self, node: ast.If) -> ast.AST:
        if "TYPE_CHECKING" in ast.dump(node.test):
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        del node
        return ast.Pass()

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        given = [default for default in node.kw_defaults if default is not None]
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        node.defaults = [*node.defaults, *given]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "strict"]
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = []
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Name("None")
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def executed(text: str) -> str:
    """What of a Python text runs."""
    return ast.dump(_Plain().visit(ast.parse(text)))


SKIPPED = ("RemoveDecorator", "ExceptionReplacer", "Variable", "Is_", "IsNot_", "_Is")
"""Operators whose mutants do not run at all, or are nothing that anybody would write."""

FAMILIES = ("BinaryOperator", "ComparisonOperator", "UnaryOperator")


def _operators() -> dict[str, list[str]]:
    """cosmic-ray's operators by family."""
    from cosmic_ray.plugins import operator_names

    families: dict[str, list[str]] = {}
    for name in operator_names():
        plain = name.removeprefix("core/")
        if any(part in plain for part in SKIPPED):
            continue
        family = next((part for part in FAMILIES if part in plain), plain)
        families.setdefault(family, []).append(name)
    return families


def _python_changes(text: str, names: list[str]) -> Iterator[tuple[str, int, int]]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    nodes = list(ast_nodes(get_ast(text)))
    for name in names:
        operator = get_operator(name)
        if operator.arguments():
            continue
        made = operator()
        occurrence = 0
        for node in nodes:
            for (line, _), _ in made.mutation_positions(node):
                yield name, occurrence, line
                occurrence += 1


def _parses(text: str) -> bool:
    """Some operators take the asterisk of keyword-only parameters for a product."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def mutate_python(text: str, draw: random.Random) -> Mutant | None:
    """A change of a Python text that is executed, by an operator of cosmic-ray."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    families = _operators()
    before = executed(text)
    for family in draw.sample(sorted(families), len(families)):
        changes = list(_python_changes(text, families[family]))
        for name, occurrence, line in draw.sample(changes, min(len(changes), 20)):
            changed = mutate_code(text, get_operator(name)(), occurrence)
            if changed is not None and _parses(changed) and executed(changed) != before:
                return Mutant(changed, line, name.removeprefix("core/"))
    return None
