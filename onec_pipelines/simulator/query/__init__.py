"""The OData v3 query language as 1C:Enterprise implements it.

`$filter`, `$orderby`, `$select`, `$expand`, `Condition`, calls.

It knows rows (plain dicts), `TypeInfo` and nothing of HTTP. Every refusal is a QueryError with 1C's status,
code and text.
"""

from onec_pipelines.simulator.query.analysis import Range, date_range, flag, key_lookup, literals
from onec_pipelines.simulator.query.arguments import (
    FunctionCall,
    compile_condition,
    parse_argument,
    parse_condition,
    parse_dimensions,
    parse_function_call,
)
from onec_pipelines.simulator.query.errors import QueryError
from onec_pipelines.simulator.query.filter import compile_filter, compile_tree
from onec_pipelines.simulator.query.nodes import Node
from onec_pipelines.simulator.query.orderby import Ordering, compile_orderby, parse_orderby, sort_rows
from onec_pipelines.simulator.query.parser import parse_filter
from onec_pipelines.simulator.query.render import render
from onec_pipelines.simulator.query.select import (
    EVERYTHING,
    Expansion,
    Expansions,
    Selection,
    parse_expand,
    parse_select,
)
from onec_pipelines.simulator.query.types import QueryOptions, Resolve, Row, TypeInfo

__all__ = [
    "EVERYTHING",
    "Expansion",
    "Expansions",
    "FunctionCall",
    "Node",
    "Ordering",
    "QueryError",
    "QueryOptions",
    "Range",
    "Resolve",
    "Row",
    "Selection",
    "TypeInfo",
    "compile_condition",
    "compile_filter",
    "compile_orderby",
    "compile_tree",
    "date_range",
    "flag",
    "key_lookup",
    "literals",
    "parse_argument",
    "parse_condition",
    "parse_dimensions",
    "parse_expand",
    "parse_filter",
    "parse_function_call",
    "parse_orderby",
    "parse_select",
    "render",
    "sort_rows",
]
