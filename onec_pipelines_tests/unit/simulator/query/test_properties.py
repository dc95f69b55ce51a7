"""Random trees: the compiled closures agree with a plain evaluation, and the text with the tree."""

import operator
import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onec_pipelines.simulator.query import (
    compile_tree,
    parse_filter,
    render,
)
from onec_pipelines.simulator.query.nodes import (
    Arithmetic,
    Call,
    Comparison,
    Lambda,
    Literal,
    Logic,
    Negate,
    Not,
    Path,
)

GOODS, ORDERS = "Catalog_Товары", "Document_Заказ"
GUIDS = [f"0000000{n}-0000-0000-0000-000000000000" for n in range(4)]
EXACT = Context(prec=60)
SIGNS = {name: getattr(operator, name) for name in ("eq", "ne", "gt", "ge", "lt", "le")}

# --- rows

words = st.text("аАбБ% _['", max_size=4)
amounts = st.one_of(st.integers(-20, 20), st.decimals(-20, 20, places=2))
dates = st.datetimes(datetime.fromisoformat("2025-12-01"), datetime.fromisoformat("2026-03-31")).map(
    lambda date: date.isoformat("T", "seconds")
)
guids = st.sampled_from(GUIDS)
composites = st.one_of(
    st.just(("StandardODATA.Undefined", "")),
    st.tuples(st.just("Edm.Double"), amounts.map(str)),
    st.tuples(st.just("Edm.String"), words),
    st.tuples(st.sampled_from(["StandardODATA.Catalog_Партнеры", "StandardODATA.Catalog_Товары"]), guids),
)
goods = st.fixed_dictionaries(
    {
        "Description": words,
        "Code": words,
        "IsFolder": st.booleans(),
        "DeletionMark": st.booleans(),
        "Цена": st.none() | amounts,
        "Вес": st.none() | amounts,
        "Остаток": st.integers(-20, 20),
        "Произведен": dates,
        "ГоденДо": st.none() | dates,
        "Ref_Key": guids,
        "Производитель_Key": st.none() | guids,
        "Значение": composites,
    },
).map(lambda row: row | {"Значение_Type": row["Значение"][0], "Значение": row["Значение"][1]})
lines = st.lists(st.fixed_dictionaries({"Цена": st.none() | amounts, "Комментарий": words}), max_size=3)
orders = st.fixed_dictionaries({"Posted": st.booleans(), "Товары": lines})


# --- trees


def literal(kind):
    return lambda value: Literal(type=kind, value=value)


def whole(value):
    return int(value) if value == int(value) else value


def path(*names):
    return st.sampled_from(names).map(lambda name: Path(segments=tuple(name.split("/"))))


number_literals = amounts.map(whole).map(literal("number"))
string_literals = words.map(literal("string"))
date_literals = dates.map(literal("date"))
guid_literals = guids.map(literal("guid"))
places = st.integers(0, 4).map(literal("number"))


def call(name, *arguments):
    return st.tuples(*arguments).map(lambda values: Call(name=name, arguments=values))


def numbers(names):
    leaves = st.one_of(path(*names), number_literals)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Arithmetic, operator=st.sampled_from(["add", "sub", "mul"]), left=inner, right=inner),
            st.builds(Negate, operand=inner.filter(lambda node: not isinstance(node, Literal))),
            call("round", inner),
        ),
        max_leaves=4,
    )


strings = st.recursive(
    st.one_of(path("Description", "Code", "Производитель/ИНН"), string_literals),
    lambda inner: st.one_of(
        call("concat", inner, inner),
        call("substring", inner, places),
        call("substring", inner, places, places),
    ),
    max_leaves=4,
)
moments = st.one_of(
    path("Произведен", "ГоденДо"),
    date_literals,
    call(
        "dateadd",
        path("Произведен", "ГоденДо"),
        st.sampled_from(["day", "hour", "second"]).map(literal("string")),
        st.integers(-50, 50).map(literal("number")),
    ),
)
DATE_PARTS = ["year", "quarter", "month", "day", "hour", "minute", "second", "dayofweek", "dayofyear"]
date_parts = st.sampled_from(DATE_PARTS)
good_numbers = st.one_of(
    numbers(("Цена", "Вес", "Остаток")),
    st.builds(lambda name, date: Call(name=name, arguments=(date,)), date_parts, moments),
    call(
        "datedifference", moments, moments, st.sampled_from(["day", "month", "hour"]).map(literal("string"))
    ),
    call("cast", path("Значение"), st.just(Literal(type="string", value="Number"))),
)
orders_signs = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])
equal_signs = st.sampled_from(["eq", "ne"])


def comparison(signs, left, right):
    return st.builds(Comparison, operator=signs, left=left, right=right)


null = st.just(Literal(type="null", value=None))
tests_of_strings = st.builds(
    lambda name, one, two: Call(name=name, arguments=(one, two)),
    st.sampled_from(["startswith", "endswith", "substringof", "like"]),
    strings,
    strings,
)
references = st.one_of(
    guid_literals.map(
        lambda key: Call(name="cast", arguments=(key, Literal(type="string", value="Catalog_Партнеры"))),
    ),
    number_literals,
    string_literals,
    guid_literals,
)
type_names = st.sampled_from(["Catalog_Партнеры", "Catalog_Товары", "Number", "String"]).map(
    literal("string")
)
good_conditions = st.one_of(
    comparison(orders_signs, good_numbers, good_numbers),
    comparison(orders_signs, strings, strings),
    comparison(orders_signs, moments, moments),
    comparison(equal_signs, path("Ref_Key", "Производитель_Key"), guid_literals),
    comparison(equal_signs, path("Значение"), references),
    comparison(equal_signs, path("Цена", "Description", "ГоденДо"), null),
    comparison(equal_signs, tests_of_strings, st.booleans().map(literal("boolean"))),
    path("IsFolder", "DeletionMark"),
    tests_of_strings,
    call("isof", path("Значение"), type_names),
)


def logic(conditions):
    return st.recursive(
        conditions,
        lambda inner: st.one_of(
            st.builds(Not, operand=inner),
            st.builds(
                Logic,
                operator=st.sampled_from(["and", "or"]),
                operands=st.lists(inner, min_size=2, max_size=4).map(tuple),
            ),
        ),
        max_leaves=8,
    )


line_conditions = logic(
    st.one_of(
        comparison(orders_signs, numbers(("d/Цена",)), numbers(("d/Цена",))),
        comparison(orders_signs, path("d/Комментарий"), string_literals),
    ),
)
lambdas = st.builds(
    Lambda,
    collection=st.just(Path(segments=("Товары",))),
    quantifier=st.sampled_from(["any", "all"]),
    variable=st.just("d"),
    predicate=line_conditions,
) | st.just(Lambda(collection=Path(segments=("Товары",)), quantifier="any"))
order_conditions = st.one_of(
    lambdas,
    st.builds(Not, operand=lambdas),
    st.builds(Logic, operator=st.sampled_from(["and", "or"]), operands=st.tuples(path("Posted"), lambdas)),
)


# --- a plain evaluation


PLAIN = {
    "round": lambda value: Decimal(value).quantize(Decimal(1), ROUND_HALF_UP),
    "concat": lambda one, two: one + two,
    "substring": lambda text, start, length=99: "".join(
        character for place, character in enumerate(text, 1) if place in range(start, start + length)
    ),
    "startswith": lambda text, start: text.lower()[: len(start)] == start.lower(),
    "endswith": lambda text, end: text.lower()[max(len(text) - len(end), 0) :] == end.lower(),
    "substringof": lambda needle, text: text.lower().find(needle.lower()) >= 0,
}


class Plain:
    """Walks the tree for every row anew: unknown is None, as in SQL."""

    def __init__(self, base):
        self.base = base

    def of(self, node, row):
        return getattr(self, "on_" + type(node).__name__.lower())(node, row)

    def on_literal(self, node, row):
        return node.value

    def on_path(self, node, row):
        segments = node.segments[1:] if node.segments[0] == "d" else node.segments
        if segments == ("Значение",):
            return self.composite(row)
        for step in segments[:-1]:
            key = row[step + "_Key"]
            row = None if key in (None, GUIDS[0]) else self.base.resolve("Catalog_Партнеры", key)
            if row is None:
                return None
        return row[segments[-1]]

    def composite(self, row):
        kind, value = row["Значение_Type"].split(".")[-1], row["Значение"]
        if kind == "Undefined":
            return None
        return (kind, Decimal(value)) if kind == "Double" else (kind, value)

    def on_negate(self, node, row):
        value = self.of(node.operand, row)
        return None if value is None else -value

    def on_not(self, node, row):
        value = self.of(node.operand, row)
        return None if value is None else not value

    def on_arithmetic(self, node, row):
        left, right = self.of(node.left, row), self.of(node.right, row)
        if left is None or right is None:
            return None
        left, right = Decimal(left), Decimal(right)
        return {"add": EXACT.add, "sub": EXACT.subtract, "mul": EXACT.multiply}[node.operator](left, right)

    def on_logic(self, node, row):
        values = [self.of(operand, row) for operand in node.operands]
        decisive = node.operator == "or"
        if decisive in values:
            return decisive
        return None if None in values else not decisive

    def on_comparison(self, node, row):
        left, right = self.of(node.left, row), self.of(node.right, row)
        if isinstance(node.right, Literal) and node.right.type == "null":
            return (left is None) == (node.operator == "eq")
        if left is None or right is None:
            return None
        if node.left == Path(segments=("Значение",)):
            right = self.tagged(node.right, right)
        left, right = self.bare(left), self.bare(right)
        return SIGNS[node.operator](left, right)

    def tagged(self, node, value):
        if isinstance(node, Call):
            return "Catalog_Партнеры", value
        return {"number": "Double", "string": "String", "guid": "nothing has this type"}[node.type], value

    def bare(self, value):
        """Strings without case and trailing spaces; guids are strings, too."""
        if isinstance(value, tuple):
            return value[0], self.bare(value[1])
        return value.lower().rstrip(" ") if isinstance(value, str) else value

    def on_lambda(self, node, row):
        values = [
            True if node.predicate is None else self.of(node.predicate, line) is True
            for line in row["Товары"]
        ]
        return any(values) if node.quantifier == "any" else all(values)

    def on_call(self, node, row):
        if node.name == "cast":
            return self.cast(node, row)
        arguments = [self.of(argument, row) for argument in node.arguments]
        if node.name == "isof":
            return arguments[0] is not None and arguments[0][0] == {"Number": "Double"}.get(
                arguments[1], arguments[1]
            )
        if None in arguments:
            return None
        if node.name in DATE_PARTS:
            return self.part(node.name, *arguments)
        return PLAIN[node.name](*arguments) if node.name in PLAIN else getattr(self, node.name)(*arguments)

    def cast(self, node, row):
        value = self.of(node.arguments[0], row)
        if isinstance(node.arguments[0], Literal):
            return value
        return value[1] if value is not None and value[0] == "Double" else None

    def like(self, text, template):
        """Templates here have no closed sets, so a bracket is a bracket."""
        parts = {"%": ".*", "_": "."}
        pattern = "".join(parts.get(character, re.escape(character)) for character in template.lower())
        return re.fullmatch(pattern, text.lower(), re.DOTALL) is not None

    def dateadd(self, date, unit, count):
        seconds = {"day": 86400, "hour": 3600, "second": 1}[unit] * count
        moment = datetime.fromisoformat(date)
        base = datetime.fromisoformat("2020-01-01")
        total = int((moment - base).total_seconds()) + seconds
        days, rest = divmod(total, 86400)
        day = datetime.fromordinal(base.toordinal() + days)
        return f"{day:%Y-%m-%d}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"

    def datedifference(self, one, two, unit):
        one, two = datetime.fromisoformat(one), datetime.fromisoformat(two)
        if unit == "month":
            return (two.year - one.year) * 12 + two.month - one.month
        if unit == "day":
            return (two.date() - one.date()).days
        return (two.date() - one.date()).days * 24 + two.hour - one.hour

    def part(self, name, date):
        moment = datetime.fromisoformat(date)
        if name == "quarter":
            return {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3}.get(moment.month, 4)
        code = {"dayofweek": "%u", "dayofyear": "%j"}.get(name)
        return getattr(moment, name) if code is None else int(moment.strftime(code))


# --- promises

quick = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(tree=logic(good_conditions), row=goods)
def test_a_compiled_filter_agrees_with_a_plain_evaluation(base, tree, row):
    test = compile_tree(tree, base.types[GOODS], base.resolve)
    assert test(row) is (Plain(base).of(tree, row) is True)


@quick
@given(node=st.one_of(good_numbers, strings, moments), row=goods, padding=st.sampled_from(["", " "]))
def test_a_compiled_value_equals_the_plain_one(base, node, row, padding):
    """Trailing spaces and case of a string make no difference."""
    value = Plain(base).of(node, row)
    kind = "null" if value is None else "number" if isinstance(value, int | Decimal) else "string"
    if kind == "string" and re.fullmatch(r"\d{4}-.*T.*", value):
        kind = "date"
    elif kind == "string":
        value = value.upper() + padding
    tree = Comparison(operator="eq", left=node, right=Literal(type=kind, value=value))
    assert compile_tree(tree, base.types[GOODS], base.resolve)(row) is True


@quick
@given(tree=order_conditions, row=orders)
def test_a_compiled_lambda_agrees_with_a_plain_evaluation(base, tree, row):
    test = compile_tree(tree, base.types[ORDERS], base.resolve)
    assert test(row) is (Plain(base).of(tree, row) is True)


@quick
@given(tree=logic(good_conditions) | order_conditions)
def test_a_tree_survives_its_text(tree):
    assert parse_filter(render(tree)) == tree
