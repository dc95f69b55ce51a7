"""The syntax tree of `$filter`, `$orderby` and `Condition`: what was written, without types.

No evaluation here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal as OneOf
from typing import TypeAlias

LiteralType: TypeAlias = OneOf["string", "number", "boolean", "date", "guid", "null"]
ComparisonOperator: TypeAlias = OneOf["eq", "ne", "gt", "ge", "lt", "le"]
ArithmeticOperator: TypeAlias = OneOf["add", "sub", "mul", "div"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """A constant.

    Dates are `YYYY-MM-DDTHH:MM:SS`, guids lower case, numbers int when whole and Decimal otherwise.
    """

    type: LiteralType
    value: str | int | Decimal | bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """Names joined with `/`, from the row, from a lambda's variable, or (`base`) from a `cast`."""

    segments: tuple[str, ...]
    base: Node | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Negate:
    """Arithmetic minus."""

    operand: Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Not:
    """Logical negation."""

    operand: Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Arithmetic:
    """`add sub mul div`."""

    operator: ArithmeticOperator
    left: Node
    right: Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """`eq ne gt ge lt le`."""

    operator: ComparisonOperator
    left: Node
    right: Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Logic:
    """`and`, `or` over two or more operands.

    A chain is one node, so that a thousand keys are not a thousand levels.
    """

    operator: OneOf["and", "or"]
    operands: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lambda:
    """`Товары/any(d: …)`; `variable` and `predicate` are None in `any()`."""

    collection: Path
    quantifier: OneOf["any", "all"]
    variable: str | None = None
    predicate: Node | None = None


Node: TypeAlias = Literal | Path | Negate | Not | Arithmetic | Comparison | Logic | Call | Lambda


def children(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911 - one for each kind of node
    """The nodes directly below."""
    match node:
        case Negate() | Not():
            return (node.operand,)
        case Arithmetic() | Comparison():
            return (node.left, node.right)
        case Logic():
            return node.operands
        case Call():
            return node.arguments
        case Lambda():
            return (node.collection,) if node.predicate is None else (node.collection, node.predicate)
        case Path():
            return () if node.base is None else (node.base,)
        case Literal():
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Every node of the tree, without recursion."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(children(current))
