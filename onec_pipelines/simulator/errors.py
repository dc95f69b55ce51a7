"""Refusals of the simulated server: 1C's codes and texts, and bodies in JSON, Atom and HTML (PROTOCOL §8).

`OdataError` is what the OData service answers; `HostError` is what the web server or the web extension
answers around it.
"""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

BOM = b"\xef\xbb\xbf"
INTERNAL = "Произошла внутренняя ошибка OData сервиса"
FORBIDDEN_IN_WHERE = 'Операция не разрешена в предложении "ГДЕ"'


class OdataError(Exception):
    """An answer of the OData service with an HTTP status, a 1C code and a Russian text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status}/{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class HostError(Exception):
    """An answer of the web server or web extension: a status and a body that is not OData."""

    def __init__(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = "text/html; charset=utf-8",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{status} from the host")
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


def no_set(name: str) -> OdataError:
    """The set is not in the composition (code 8)."""
    return OdataError(404, "8", f"Сущность '{name}' не найдена")


def no_instance(name: str) -> OdataError:
    """No object has this key (code 9)."""
    short = name.split("_", 1)[-1]
    return OdataError(404, "9", f'Экземпляр сущности "{short}" не найден по переданному ключу.')


def no_segment(name: str) -> OdataError:
    """The path or `$select` names something that the type does not have (code 6)."""
    return OdataError(400, "6", f"Сегмент пути {name} не найден!")


def not_supported(message: str = "Произошла ошибка сервиса") -> OdataError:
    """The feature does not exist in 1C (code 0)."""
    return OdataError(501, "0", message)


def bad_literal(text: str, type_: str) -> OdataError:
    """A value does not parse as its type (code 1)."""
    return OdataError(400, "1", f"Не удалось разобрать строку '{text}' как значение типа {type_}!")


def internal(message: str = INTERNAL) -> OdataError:
    """A configuration handler or the service itself failed (code -1)."""
    return OdataError(500, "-1", message)


def json_body(error: OdataError) -> bytes:
    """The error as 1C lays it out in JSON; without a BOM."""
    text = json.dumps(error.message, ensure_ascii=False)
    return (
        '{\n"odata.error": {\n"code": "'
        + error.code
        + '",\n"message": {\n"lang": "ru",\n"value": '
        + text
        + "\n}\n}\n}"
    ).encode()


def atom_body(error: OdataError) -> bytes:
    """The error as XML."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<m:error xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
        f"<m:code>{error.code}</m:code><m:message>{escape(error.message)}</m:message></m:error>"
    ).encode()


LOCK_CONFLICT = (
    "Конфликт блокировок при выполнении транзакции: "
    "Превышено максимальное время ожидания предоставления блокировки"
)


def lock_conflict() -> OdataError:
    """Another transaction held a managed lock for longer than this one would wait (PROTOCOL §8.3)."""
    return OdataError(500, "-1", LOCK_CONFLICT)


def html_page(title: str, text: str) -> bytes:
    """A page of the web server."""
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f"<body><h2>{escape(title)}</h2>\n{escape(text)}\n</body></html>\n"
    ).encode()


def maintenance(path: str) -> HostError:
    """The infobase is blocked: 403, a virtual-resource exception in JSON behind a BOM (PROTOCOL §8.3)."""
    reason = "Ведутся технические работы"
    body = {
        "#exception": "{http://v8.1c.ru/8.2/virtual-resource-system}Exception",
        "exception": {
            "reason": 403,
            "descr": f"HTTP: Forbidden\nОшибка при выполнении запроса GET к ресурсу {path}:",
            "inner": {
                "descr": f"Начало сеанса с информационной базой запрещено.\n{reason}",
                "inner": {"descr": reason, "creationStack": "core83.dll:0x0000000000000000", "data": ""},
            },
        },
    }
    return HostError(
        403, BOM + json.dumps(body, ensure_ascii=False).encode(), content_type="application/json"
    )


def version_mismatch() -> HostError:
    """The platform was updated and the web extension was not (409)."""
    text = "Различаются версии клиента и сервера (8.3.27.1719 - 8.3.27.2130)"
    return HostError(409, html_page("1C:Enterprise 8 application error", text))


def crash() -> HostError:
    """The application server failed: 500 with an HTML page (PROTOCOL §8.3)."""
    reason = "The device is full 'v8_x.tmp'. 28(0x0000001C): No space left on device"
    text = f"Unrecoverable error by reason: {reason}"
    return HostError(500, html_page("1C:Enterprise 8 application error", text))
