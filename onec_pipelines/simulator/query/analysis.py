"""What can be known about a filter without running it, so that the server looks rows up instead of scanning.

Every answer is a superset of what the filter lets through: the filter is still to be applied to the rows
found.
"""

from __future__ import annotations

from dataclasses import dataclass

from onec_pipelines.simulator.query.nodes import Comparison, Lambda, Literal, Logic, Node, Not, Path

_SWAPPED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Bounds that the filter sets, both inclusive and None when open.

    Strict bounds are given as if they were not.
    """

    low: str | None = None
    high: str | None = None


def key_lookup(ast: Node, key_name: str) -> list[str] | None:
    """The guids that `key_name` may have (`K eq guid'…'`, `or`-chains of it, either within `and`).

    None when not restricted.
    """
    found = literals(ast, key_name)
    if found is None or any(literal.type != "guid" for literal in found):
        return None
    return [str(literal.value) for literal in found]


def literals(ast: Node, name: str) -> list[Literal] | None:
    """The constants one of which `name` must equal, in the order written and without repetition.

    None when not restricted.

    Mind that strings compare without case and trailing spaces: look a string up directly only if it has no
    letters.
    """
    if isinstance(ast, Comparison):
        pair = _with_literal(ast)
        return [pair[2]] if pair is not None and pair[:2] == (name, "eq") and pair[2].type != "null" else None
    if not isinstance(ast, Logic):
        return None
    found = [literals(operand, name) for operand in ast.operands]
    if ast.operator == "or":
        if any(part is None for part in found):
            return None
        return list(dict.fromkeys(literal for part in found for literal in part or ()))
    known = [part for part in found if part is not None]
    return min(known, key=len) if known else None


def flag(ast: Node, name: str) -> bool | None:
    """The value that a boolean property must have (`IsFolder eq false`, `not DeletionMark`, `Posted`).

    None when not restricted.
    """
    match ast:
        case Path(segments=(only,), base=None) if only == name:
            return True
        case Not(operand=Path(segments=(only,), base=None)) if only == name:
            return False
        case Logic(operator="and"):
            known = (flag(operand, name) for operand in ast.operands)
            return next((value for value in known if value is not None), None)
        case Comparison():
            pair = _with_literal(ast)
            if (
                pair is not None
                and pair[0] == name
                and isinstance(pair[2].value, bool)
                and pair[1] in ("eq", "ne")
            ):
                return pair[2].value is (pair[1] == "eq")
    return None


def date_range(ast: Node, name: str) -> Range:
    """The bounds of a date property, also through one lambda.

    `date_range(ast, "RecordSet/Period")` reads `RecordSet/any(r: …)`.
    """
    match ast:
        case Logic(operator="and"):
            ranges = [date_range(operand, name) for operand in ast.operands]
            lows = [bounds.low for bounds in ranges if bounds.low is not None]
            highs = [bounds.high for bounds in ranges if bounds.high is not None]
            return Range(low=max(lows, default=None), high=min(highs, default=None))
        case Lambda(quantifier="any", variable=str() as variable) if ast.predicate is not None:
            prefix = "/".join(ast.collection.segments) + "/"
            if name.startswith(prefix):
                return date_range(ast.predicate, f"{variable}/{name.removeprefix(prefix)}")
        case Comparison():
            return _bounds(ast, name)
    return Range()


def _bounds(node: Comparison, name: str) -> Range:
    pair = _with_literal(node)
    if pair is None or pair[0] != name or pair[2].type != "date":
        return Range()
    date = str(pair[2].value)
    return Range(
        low=date if pair[1] in ("eq", "gt", "ge") else None,
        high=date if pair[1] in ("eq", "lt", "le") else None,
    )


def _with_literal(node: Comparison) -> tuple[str, str, Literal] | None:
    """(path, operator, constant) of a comparison of the two, whichever side they are on."""
    match node:
        case Comparison(left=Path(base=None) as path, right=Literal() as literal):
            return "/".join(path.segments), node.operator, literal
        case Comparison(left=Literal() as literal, right=Path(base=None) as path):
            return "/".join(path.segments), _SWAPPED[node.operator], literal
    return None
