"""`$filter` as the server uses it: from the text of a request to a test over rows."""

from __future__ import annotations

from collections.abc import Callable

from onec_pipelines.simulator.query import lexer
from onec_pipelines.simulator.query.compiler import Compiler
from onec_pipelines.simulator.query.errors import QueryError, not_allowed
from onec_pipelines.simulator.query.nodes import Node
from onec_pipelines.simulator.query.parser import parse
from onec_pipelines.simulator.query.types import QueryOptions, Resolve, Row, TypeInfo

Test = Callable[[Row], bool]
_DEFAULTS = QueryOptions()
_UNKNOWN_SEGMENT = "6"


def compile_filter(
    text: str, type_info: TypeInfo, resolve: Resolve, options: QueryOptions = _DEFAULTS
) -> Test:
    """The test of `$filter` over complete rows of this type.

    `text` is percent-decoded and its pluses are pluses. Raises QueryError now; the test itself raises it only
    for division by zero.
    """
    try:
        node = parse(text)
    except lexer.PlusError:
        if options.plus == "ignore":
            return _all_rows
        raise not_allowed() from None
    return compile_tree(node, type_info, resolve, options)


def compile_tree(
    node: Node, type_info: TypeInfo, resolve: Resolve, options: QueryOptions = _DEFAULTS
) -> Test:
    """The same from a parsed tree, so that the server parses once for the test and for `key_lookup`."""
    try:
        return Compiler(type_info, resolve, options).condition(node).true
    except QueryError as error:
        if error.code == _UNKNOWN_SEGMENT and options.unknown_field == "empty":
            return _no_rows
        raise


def _all_rows(_row: Row) -> bool:
    return True


def _no_rows(_row: Row) -> bool:
    return False
