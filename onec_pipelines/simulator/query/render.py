"""From the syntax tree back to text in one canonical spelling.

For logs and for clients that are shown what was understood.
"""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.simulator.query.nodes import (
    Arithmetic,
    Call,
    Comparison,
    Lambda,
    Literal,
    Logic,
    Negate,
    Node,
    Not,
    Path,
)


def render(node: Node) -> str:  # noqa: PLR0911 - one for each kind of node
    """A text that parses to an equal tree: everything that could be misread is in brackets."""
    match node:
        case Literal():
            return _literal(node)
        case Path():
            names = "/".join(node.segments)
            return names if node.base is None else f"{render(node.base)}/{names}"
        case Negate():
            return f"-{_inner(node.operand)}"
        case Not():
            return f"not {_inner(node.operand)}"
        case Arithmetic() | Comparison():
            return f"{_inner(node.left)} {node.operator} {_inner(node.right)}"
        case Logic():
            return f" {node.operator} ".join(map(_inner, node.operands))
        case Call():
            return f"{node.name}({', '.join(map(render, node.arguments))})"
        case Lambda():
            return _lambda(node)


def _inner(node: Node) -> str:
    text = render(node)
    simple = isinstance(node, Path | Call | Lambda) or (
        isinstance(node, Literal) and not text.startswith("-")
    )
    return text if simple else f"({text})"


def _lambda(node: Lambda) -> str:
    inside = "" if node.predicate is None else f"{node.variable}: {render(node.predicate)}"
    return f"{render(node.collection)}/{node.quantifier}({inside})"


def _literal(node: Literal) -> str:
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return f"{value:f}"
    if value is None:
        return "null"
    prefix = {"guid": "guid", "date": "datetime"}.get(node.type, "")
    return prefix + "'" + value.replace("'", "''") + "'"
