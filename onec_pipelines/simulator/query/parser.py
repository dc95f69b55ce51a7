"""From text to the syntax tree, by recursive descent over the documented grammar (PROTOCOL §3.1).

Names are not checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from onec_pipelines.simulator.query import lexer
from onec_pipelines.simulator.query.errors import QueryError, not_allowed, syntax
from onec_pipelines.simulator.query.nodes import (
    Arithmetic,
    ArithmeticOperator,
    Call,
    Comparison,
    ComparisonOperator,
    Lambda,
    Literal,
    Logic,
    Negate,
    Node,
    Not,
    Path,
    children,
)

_NESTING = 40  # brackets and signs inside one another; keeps the recursion far from Python's own limit
_DEPTH = 80
_SEGMENTS = 20
_COMPARED = 6  # comparisons inside comparisons, each of which doubles the work
_EQUALITY: dict[str, ComparisonOperator] = {"eq": "eq", "ne": "ne"}
_RELATION: dict[str, ComparisonOperator] = {"gt": "gt", "ge": "ge", "lt": "lt", "le": "le"}
_SUM: dict[str, ArithmeticOperator] = {"add": "add", "sub": "sub"}
_PRODUCT: dict[str, ArithmeticOperator] = {"mul": "mul", "div": "div"}
_RESERVED = {"and", "or", "not", *_EQUALITY, *_RELATION, *_SUM, *_PRODUCT}
_CONSTANTS = {
    "true": Literal(type="boolean", value=True),
    "false": Literal(type="boolean", value=False),
    "null": Literal(type="null", value=None),
}


class Parser:
    """Reads expressions from tokens; every failure is QueryError 400/14 that names the option."""

    def __init__(self, tokens: list[lexer.Token], option: str) -> None:
        self._tokens = tokens
        self._option = option
        self._position = 0
        self._nesting = 0

    @property
    def token(self) -> lexer.Token:
        """The token to be read next."""
        return self._tokens[self._position]

    def fail(self) -> QueryError:
        """The error to raise at a token that cannot stand here."""
        return syntax(self._option)

    def advance(self) -> lexer.Token:
        """Read one token; the end is never passed."""
        token = self.token
        if token.kind != "end":
            self._position += 1
        return token

    def mark(self, text: str) -> bool:
        """Read this punctuation mark if it stands next."""
        if self.token.kind == "mark" and self.token.text == text:
            self._position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        """Read this punctuation mark, which has to stand next."""
        if not self.mark(text):
            raise self.fail()

    def word(self, *words: str) -> str | None:
        """Read one of these words if it stands next."""
        if self.token.kind == "name" and self.token.text in words:
            return self.advance().text
        return None

    def name(self) -> str:
        """Read a name."""
        if self.token.kind != "name":
            raise self.fail()
        return self.advance().text

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self.token.kind != "end":
            raise self.fail()

    def expression(self) -> Node:
        """Read a whole expression."""
        self._enter()
        node = self._chain("or", lambda: self._chain("and", self._equality))
        self._nesting -= 1
        return node

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > _NESTING:
            raise self.fail()

    def _chain(self, operator: str, operand: Callable[[], Node]) -> Node:
        operands = [operand()]
        while self.word(operator):
            operands.append(operand())
        if len(operands) == 1:
            return operands[0]
        return Logic(operator="or" if operator == "or" else "and", operands=tuple(operands))

    def _equality(self) -> Node:
        return self._comparisons(_EQUALITY, lambda: self._comparisons(_RELATION, self._sum))

    def _comparisons(self, operators: dict[str, ComparisonOperator], operand: Callable[[], Node]) -> Node:
        node = operand()
        while word := self.word(*operators):
            node = Comparison(operator=operators[word], left=node, right=operand())
        return node

    def _sum(self) -> Node:
        return self._arithmetic(_SUM, lambda: self._arithmetic(_PRODUCT, self._unary))

    def _arithmetic(self, operators: dict[str, ArithmeticOperator], operand: Callable[[], Node]) -> Node:
        node = operand()
        while word := self.word(*operators):
            node = Arithmetic(operator=operators[word], left=node, right=operand())
        return node

    def _unary(self) -> Node:
        self._enter()
        node: Node
        if self.word("not"):
            node = Not(operand=self._unary())
        elif self.mark("-"):
            node = _negated(self._unary())
        else:
            node = self._primary()
        self._nesting -= 1
        return node

    def _primary(self) -> Node:
        if self.mark("("):
            node = self.expression()
            self.expect(")")
            return node
        token = self.advance()
        if token.literal is not None:
            return token.literal
        if token.kind != "name" or token.text in _RESERVED:
            raise self.fail()
        if self.mark("("):
            return self._after_call(Call(name=token.text, arguments=self._arguments()))
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        return self._path([token.text], None)

    def _arguments(self) -> tuple[Node, ...]:
        if self.mark(")"):
            return ()
        arguments = [self.expression()]
        while self.mark(","):
            arguments.append(self.expression())
        self.expect(")")
        return tuple(arguments)

    def _after_call(self, call: Call) -> Node:
        if not self.mark("/"):
            return call
        return self._path([self.name()], call)

    def _path(self, segments: list[str], base: Node | None) -> Node:
        while self.mark("/"):
            name = self.name()
            if name in ("any", "all") and self.mark("("):
                return self._lambda(Path(segments=tuple(segments), base=base), name)
            segments.append(name)
        return Path(segments=tuple(segments), base=base)

    def _lambda(self, collection: Path, name: str) -> Lambda:
        if name == "any" and self.mark(")"):
            return Lambda(collection=collection, quantifier="any")
        variable = self.name()
        self.expect(":")
        predicate = self.expression()
        self.expect(")")
        return Lambda(
            collection=collection,
            quantifier="any" if name == "any" else "all",
            variable=variable,
            predicate=predicate,
        )


def _negated(operand: Node) -> Node:
    match operand:
        case Literal(type="number", value=int() as whole):
            return Literal(type="number", value=-whole)
        case Literal(type="number", value=Decimal() as fraction):
            return Literal(type="number", value=fraction.copy_negate())
    return Negate(operand=operand)


def check_depth(tree: Node, option: str) -> Node:
    """Give the tree back, or refuse (400/14) one too deep to be evaluated, as only absurd texts have."""
    stack = [(tree, 0, 0)]
    while stack:
        node, depth, compared = stack.pop()
        long = isinstance(node, Path) and len(node.segments) > _SEGMENTS
        if long or depth > _DEPTH or compared > _COMPARED:
            raise syntax(option)
        inside = compared + isinstance(node, Comparison)
        stack.extend((child, depth + 1, inside) for child in children(node))
    return tree


def parse(text: str, option: str = "$filter") -> Node:
    """The tree of an expression.

    Raises QueryError 400/14 on bad syntax and lexer.PlusError at a plus outside quotes.
    """
    parser = Parser(list(lexer.tokens(text, option)), option)
    node = parser.expression()
    parser.end()
    return check_depth(node, option)


def parse_filter(text: str) -> Node:
    """The tree of `$filter`. Raises QueryError: 400/14 on bad syntax, 500/-1 at a literal plus."""
    try:
        return parse(text)
    except lexer.PlusError:
        raise not_allowed() from None
