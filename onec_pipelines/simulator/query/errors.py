"""The refusals of the query language: 1C's HTTP status, code and Russian text (PROTOCOL §8.2).

Their shape on the wire is the server's.
"""

from __future__ import annotations

_COMPARISON = (
    "{(3, 23)}: Неверные параметры в операции сравнения. "
    "Нельзя сравнивать поля неограниченной длины и поля несовместимых типов."
)


class QueryError(Exception):
    """1C refuses the query: `http` status, `code` as on the wire (a string) and the Russian `message`."""

    def __init__(self, http: int, code: str, message: str) -> None:
        super().__init__(message)
        self.http = http
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.http}/{self.code} {self.message}"


def syntax(option: str) -> QueryError:
    """The option cannot be parsed; string and date literals are never echoed (PROTOCOL §8.3)."""
    return QueryError(400, "14", f"Ошибка при разборе опции запроса {option}")


def unknown_segment(name: str) -> QueryError:
    """No such property; the name is echoed."""
    return QueryError(400, "6", f"Сегмент пути {name} не найден!")


def not_allowed() -> QueryError:
    """What 1C's own query text cannot say in its WHERE: a literal plus, parts of a composite key."""
    return QueryError(500, "-1", 'Операция не разрешена в предложении "ГДЕ"')


def not_comparable() -> QueryError:
    """Unlimited strings, value storages, `Ref_Key gt`, `Recorder eq guid`."""
    return QueryError(500, "-1", _COMPARISON)


def bad_operands(operation: str) -> QueryError:
    """A function or an arithmetic operation over a value of another type."""
    return QueryError(500, "-1", f'{{(3, 23)}}: Неверные параметры "{operation}"')


def bad_arguments(function: str) -> QueryError:
    """A wrong number of arguments, or an argument that has to be a constant from a list."""
    return QueryError(400, "21", f"Неверные аргументы функции {function}")


def unsupported_function(function: str) -> QueryError:
    """A function of OData that 1C documents as not supported."""
    return QueryError(501, "21", f"Функция {function} не поддерживается")


def unknown_function(function: str) -> QueryError:
    """A function nobody knows."""
    return QueryError(400, "21", f"Функция {function} не найдена")


def unsupported(what: str) -> QueryError:
    """A possibility that 1C does not offer (code 0)."""
    return QueryError(501, "0", what)


def internal() -> QueryError:
    """The interface itself fails, as with two lambdas joined with `and`."""
    return QueryError(500, "-1", "Произошла внутренняя ошибка OData сервиса")


def arithmetic() -> QueryError:
    """The database refuses to compute: division by zero, a number out of range."""
    return QueryError(500, "-1", "Ошибка выполнения запроса: деление на ноль или переполнение числа")
