"""From the syntax tree to closures over rows, with the refusals that depend on what the names mean."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal

from onec_pipelines.simulator.query import casts
from onec_pipelines.simulator.query.closures import application, every, quantified, some
from onec_pipelines.simulator.query.comparison import compare
from onec_pipelines.simulator.query.errors import (
    arithmetic,
    bad_arguments,
    bad_operands,
    internal,
    not_allowed,
    syntax,
    unknown_function,
    unknown_segment,
    unsupported_function,
)
from onec_pipelines.simulator.query.functions import FUNCTIONS, UNITS, UNSUPPORTED, Function
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
    walk,
)
from onec_pipelines.simulator.query.paths import referenced, value_at
from onec_pipelines.simulator.query.types import QueryOptions, Resolve, Row, TypeInfo
from onec_pipelines.simulator.query.values import (
    Condition,
    Value,
    as_condition,
    as_value,
    constant,
    folded,
)

_EXACT = Context(prec=60, Emax=999_999, Emin=-999_999)
_ARITHMETIC: dict[str, tuple[str, Callable[[Decimal, Decimal], Decimal]]] = {
    "add": ("+", _EXACT.add),
    "sub": ("-", _EXACT.subtract),
    "mul": ("*", _EXACT.multiply),
    "div": ("/", _EXACT.divide),
}


class Compiler:
    """Compiles expressions over rows of one type.

    Inside a lambda, over the rows of its section, named by `variable`.
    """

    def __init__(
        self,
        info: TypeInfo,
        resolve: Resolve,
        options: QueryOptions,
        *,
        option: str = "$filter",
        variable: str | None = None,
    ) -> None:
        self._info = info
        self._resolve = resolve
        self._options = options
        self._option = option
        self._variable = variable

    def condition(self, node: Node) -> Condition:
        """The condition that the expression is. Raises QueryError, 400/14 when it is no condition at all."""
        match node:
            case Logic():
                return self._logic(node)
            case Not():
                return self.condition(node.operand).negated()
            case Comparison():
                return self._comparison(node)
            case Lambda():
                return self._lambda(node)
            case Call(name="isof"):
                return self._isof(node)
        value = self.value(node)
        if value.family != "boolean":
            raise syntax(self._option)
        return as_condition(value)

    def value(self, node: Node) -> Value:  # noqa: PLR0911 - one for each kind of node
        """The typed value that the expression is. Raises QueryError."""
        match node:
            case Literal():
                return constant(node.value, node.type)
            case Path():
                return self._path(node)
            case Negate():
                return self._negate(node)
            case Arithmetic():
                return self._arithmetic(node)
            case Call(name="cast"):
                return self._cast(node)
            case Call() if node.name != "isof":
                return self._call(node)
        return as_value(self.condition(node))

    def _comparison(self, node: Comparison) -> Condition:
        left, right = self.value(node.left), self.value(node.right)
        return compare(node.operator, left, right, case_sensitive=self._options.case_sensitive)

    def _logic(self, node: Logic) -> Condition:
        if node.operator == "and" and sum(map(_has_lambda, node.operands)) > 1:
            raise internal()
        same = self._membership(node)
        if same is not None:
            return same
        parts = [self.condition(operand) for operand in node.operands]
        trues, falses = [part.true for part in parts], [part.false for part in parts]
        if node.operator == "and":
            return Condition(true=every(trues), false=some(falses))
        return Condition(true=some(trues), false=every(falses))

    def _membership(self, node: Logic) -> Condition | None:
        """`X_Key eq a or X_Key eq b or …` as one look into a set; None for any other chain."""
        pairs = [_key_equality(operand) for operand in node.operands]
        paths = {pair[0] for pair in pairs if pair is not None}
        if node.operator != "or" or None in pairs or len(paths) != 1:
            return None
        self.condition(node.operands[0])  # the same refusals as for one comparison
        value = self._path(paths.pop())
        if value.family != "guid":
            return None
        keys, get = frozenset(pair[1] for pair in pairs if pair is not None), value.get
        return Condition(
            true=lambda row: get(row) in keys,
            false=lambda row: (found := get(row)) is not None and found not in keys,
        )

    def _path(self, node: Path) -> Value:
        if node.base is not None:
            return self._cast_path(node)
        segments = node.segments
        if self._variable is not None:
            if segments[0] != self._variable:
                raise unknown_segment(segments[0])
            if len(segments) == 1:
                raise syntax(self._option)
            segments = segments[1:]
        elif len(segments) == 1:
            self._refuse_key_part(segments[0])
        return value_at(segments, self._info, self._resolve)

    def _refuse_key_part(self, name: str) -> None:
        mode, key = self._options.key_parts, self._info.key
        if self._option != "$filter" or mode == "allow" or name == "Recorder":
            return
        line = name == "LineNumber" and self._info.property_type(name) is not None
        if line or (mode == "error" and name in key and "LineNumber" in key):
            raise not_allowed()

    def _cast_path(self, node: Path) -> Value:
        value = self.value(node.base) if isinstance(node.base, Call) else None
        target = None if value is None or value.target is None else self._info.entity(value.target)
        if value is None or target is None:
            raise unknown_segment(node.segments[0])
        return value_at(
            node.segments, target, self._resolve, referenced(value.get, target.name, self._resolve)
        )

    def _negate(self, node: Negate) -> Value:
        value = self.value(node.operand)
        if value.family != "number":
            raise bad_operands("-")
        get = value.get

        def negative(row: Row) -> Decimal | None:
            found = get(row)
            return None if found is None else Decimal(found).copy_negate()

        return Value(get=negative, family="number")

    def _arithmetic(self, node: Arithmetic) -> Value:
        sign, operation = _ARITHMETIC[node.operator]
        left, right = self.value(node.left), self.value(node.right)
        if left.family != "number" or right.family != "number":
            raise bad_operands(sign)
        one, other = left.get, right.get

        def get(row: Row) -> Decimal | None:
            first, second = one(row), other(row)
            if first is None or second is None:
                return None
            try:
                return operation(Decimal(first), Decimal(second))
            except ArithmeticError:
                raise arithmetic() from None

        return Value(get=get, family="number")

    def _typed_call(self, node: Call) -> tuple[Value, str]:
        if len(node.arguments) != 2 or not isinstance(node.arguments[1], Literal):  # noqa: PLR2004 - expression and type
            raise bad_arguments(node.name)
        return self.value(node.arguments[0]), casts.type_name(node.arguments[1].value, self._info, node.name)

    def _cast(self, node: Call) -> Value:
        return casts.cast(*self._typed_call(node))

    def _isof(self, node: Call) -> Condition:
        return casts.is_of(*self._typed_call(node))

    def _call(self, node: Call) -> Value:
        if node.name in UNSUPPORTED:
            raise unsupported_function(node.name)
        function = FUNCTIONS.get(node.name)
        if function is None:
            raise unknown_function(node.name)
        least = len(function.arguments) - function.optional
        if not least <= len(node.arguments) <= len(function.arguments):
            raise bad_arguments(node.name)
        if function.unit is not None and not _is_unit(node.arguments[function.unit]):
            raise bad_arguments(node.name)
        return self._applied(function, [self.value(argument) for argument in node.arguments])

    def _applied(self, function: Function, values: list[Value]) -> Value:
        for value, family in zip(values, function.arguments, strict=False):
            if value.family != family:
                raise bad_operands(function.russian)
        if function.folds:
            values = [
                folded(value, case_sensitive=self._options.case_sensitive, pad=False) for value in values
            ]
        unlimited = function.apply is FUNCTIONS["concat"].apply and any(value.unlimited for value in values)
        return Value(get=application(function.apply, values), family=function.result, unlimited=unlimited)

    def _lambda(self, node: Lambda) -> Condition:
        if (
            self._variable is not None
            or node.collection.base is not None
            or len(node.collection.segments) != 1
        ):
            raise syntax(self._option)
        name = node.collection.segments[0]
        section = self._info.section(name)
        if section is None:
            raise unknown_segment(name)
        if node.predicate is None:
            return Condition(true=lambda row: bool(row.get(name)), false=lambda row: not row.get(name))
        inner = Compiler(section, self._resolve, self._options, option=self._option, variable=node.variable)
        return quantified(name, node.quantifier == "any", inner.condition(node.predicate).true)


def _has_lambda(node: Node) -> bool:
    return any(isinstance(found, Lambda) for found in walk(node))


def _is_unit(node: Node) -> bool:
    return isinstance(node, Literal) and node.value in UNITS


def _key_equality(node: Node) -> tuple[Path, str] | None:
    match node:
        case Comparison(operator="eq", left=Path() as path, right=Literal(type="guid", value=str() as key)):
            return path, key
        case Comparison(operator="eq", left=Literal(type="guid", value=str() as key), right=Path() as path):
            return path, key
    return None
