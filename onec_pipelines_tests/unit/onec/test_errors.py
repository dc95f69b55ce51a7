from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from onec_pipelines.errors import Quarantine, RetryLater, Skip, Stop
from onec_pipelines.onec.answers import check_shape
from onec_pipelines.onec.error_bodies import read_fault
from onec_pipelines.onec.errors import retry_after, translate

BOM = b"\xef\xbb\xbf"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def odata(code, text):
    body = {"odata.error": {"code": code, "message": {"lang": "ru", "value": text}}}
    return json.dumps(body, ensure_ascii=False).encode()


def atom(code, text):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<m:error xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
        f"<m:code>{code}</m:code><m:message>{text}</m:message></m:error>"
    ).encode()


def plain_atom(code, text):
    return (
        '<error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
        f'<code>{code}</code><message xml:lang="ru">{text}</message></error>'
    ).encode()


def page(title, text=""):
    head = f"<!DOCTYPE html><html><head><title>{title}</title></head>"
    return f"{head}<body><h2>{title}</h2>{text}</body></html>".encode()


MAINTENANCE = (
    BOM
    + json.dumps(
        {
            "#exception": "{http://v8.1c.ru/8.2/virtual-resource-system}Exception",
            "exception": {
                "reason": 403,
                "descr": "HTTP: Forbidden\nОшибка запроса GET к ресурсу /x?$filter=ИНН eq '7701':",
                "inner": {
                    "descr": "Начало сеанса с информационной базой запрещено.\nВедутся технические работы",
                    "inner": {
                        "descr": "Ведутся технические работы",
                        "creationStack": "core83.dll:0x1",
                        "data": "QUJD",
                    },
                },
            },
        },
        ensure_ascii=False,
    ).encode()
)
DISK = page(
    "1C:Enterprise 8 application error",
    (
        "Unrecoverable error<br><b>by reason: </b><br>The device is full 'v8_x.tmp'. 28(0x0000001C): No "
        "space left on device"
    ),
)
VERSIONS = page("1C", "Различаются версии клиента и сервера (8.3.27.1719 - 8.3.27.2130)")
WHERE = 'Операция не разрешена в предложении "ГДЕ"'
LOCK = (
    "Конфликт блокировок при выполнении транзакции:\n"
    "Превышено максимальное время ожидания предоставления блокировки"
)
MEMORY = "Недостаточно памяти для получения результата запроса к базе данных"


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "onec_code"),
    [
        (401, b"", Stop, "ONEC_AUTH", None),
        (401, page("401 Unauthorized"), Stop, "ONEC_AUTH", None),
        (401, odata("20", "Ошибка прав доступа"), Stop, "ONEC_RIGHTS", "20"),
        (401, atom("20", "Ошибка прав доступа"), Stop, "ONEC_RIGHTS", "20"),
        (403, MAINTENANCE, RetryLater, "ONEC_MAINTENANCE", None),
        (403, page("403 Forbidden"), Stop, "ONEC_FORBIDDEN", None),
        (400, page("400 No required SSL certificate was sent"), Stop, "ONEC_CLIENT_CERTIFICATE", None),
        (403, page("403.7 - Client certificate required"), Stop, "ONEC_CLIENT_CERTIFICATE", None),
        (404, BOM + odata("8", "Сущность 'Catalog_X' не найдена"), Stop, "ONEC_NOT_PUBLISHED", "8"),
        (404, odata("9", "Экземпляр сущности не найден"), Skip, "ONEC_NOT_FOUND", "9"),
        (404, atom("9", "Экземпляр сущности не найден"), Skip, "ONEC_NOT_FOUND", "9"),
        (404, plain_atom("", "что-то не найдено"), Stop, "ONEC_NO_SERVICE", None),
        (404, page("404 - File or directory not found."), Stop, "ONEC_NO_SERVICE", None),
        (404, page("IIS 10.0 Detailed Error - 404.15 - Not Found"), Stop, "ONEC_URL_TOO_LONG", None),
        (404, b"", Stop, "ONEC_NO_SERVICE", None),
        (
            400,
            page("Bad Request - Invalid URL", "HTTP Error 400."),
            Stop,
            "ONEC_URL_TOO_LONG",
            None,
        ),
        (400, odata("6", "Сегмент пути Owner2 не найден!"), Stop, "ONEC_UNKNOWN_NAME", "6"),
        (400, odata("14", "Ошибка разбора опций запроса"), Stop, "ONEC_BAD_REQUEST", "14"),
        (
            400,
            odata("1", "Не удалось разобрать строку 'x' как значение типа Edm.Guid!"),
            Stop,
            "ONEC_BAD_VALUE",
            "1",
        ),
        (400, odata("15", "Сущность с таким ключом уже существует"), Stop, "ONEC_DUPLICATE_KEY", "15"),
        (400, b"", Stop, "ONEC_BAD_REQUEST", None),
        (405, odata("19", "HTTP-метод запрещен"), Stop, "ONEC_NOT_SUPPORTED", "19"),
        (406, b"", RetryLater, "ONEC_POOL_FULL", None),
        (406, odata("3", "Запрошенный тип представления не поддерживается"), Stop, "ONEC_BAD_REQUEST", "3"),
        (407, b"", Stop, "ONEC_FORBIDDEN", None),
        (408, b"", RetryLater, "ONEC_GATEWAY", None),
        (409, VERSIONS, RetryLater, "ONEC_VERSION_MISMATCH", None),
        (412, odata("", "Версия данных не совпадает"), Stop, "ONEC_CHANGED", None),
        (414, page("414 Request-URI Too Large"), Stop, "ONEC_URL_TOO_LONG", None),
        (414, b"", Stop, "ONEC_URL_TOO_LONG", None),
        (429, b"", RetryLater, "ONEC_OVERLOAD", None),
        (500, odata("-1", WHERE), Stop, "ONEC_WHERE_FORBIDDEN", "-1"),
        (500, odata("-1", LOCK), RetryLater, "ONEC_LOCK", "-1"),
        (500, plain_atom("", "Ошибка блокировки данных при попытке чтения"), RetryLater, "ONEC_LOCK", None),
        (500, odata("-1", MEMORY), RetryLater, "ONEC_OUT_OF_MEMORY", "-1"),
        (500, odata("-1", "Поле «Склад» не заполнено"), Stop, "ONEC_HANDLER", "-1"),
        (
            500,
            atom("-1", "Error running processor — 'ОбработкаУдаленияПроведения'"),
            Stop,
            "ONEC_HANDLER",
            "-1",
        ),
        (500, odata("18", "свойства с одинаковыми именами"), Stop, "ONEC_BROKEN_INTERFACE", "18"),
        (500, DISK, RetryLater, "ONEC_DISK_FULL", None),
        (
            500,
            page("1C:Enterprise 8 application error", "Unrecoverable error"),
            RetryLater,
            "ONEC_SERVER_ERROR",
            None,
        ),
        (500, b"", RetryLater, "ONEC_SERVER_ERROR", None),
        (500, odata("-1", "Не обнаружено свободной лицензии!"), RetryLater, "ONEC_NO_LICENCE", "-1"),
        (501, odata("0", "Опция $expand не поддерживается"), Stop, "ONEC_NOT_SUPPORTED", "0"),
        (501, plain_atom("0", "Произошла ошибка сервиса"), Stop, "ONEC_NOT_SUPPORTED", "0"),
        (502, page("502 Bad Gateway"), RetryLater, "ONEC_GATEWAY", None),
        (503, page("Service temporarily unavailable"), RetryLater, "ONEC_OVERLOAD", None),
        (504, b"", RetryLater, "ONEC_GATEWAY", None),
        (302, b"", Stop, "ONEC_REDIRECT", None),
        (204, b"", RetryLater, "ONEC_BAD_ANSWER", None),
        (200, odata("6", "Сегмент пути X не найден!"), Stop, "ONEC_UNKNOWN_NAME", "6"),
        (200, odata("-1", LOCK), RetryLater, "ONEC_LOCK", "-1"),
        (200, odata("-1", "Поле не заполнено"), Stop, "ONEC_HANDLER", "-1"),
        (200, odata("", "неясно"), Stop, "ONEC_BAD_REQUEST", None),
        (200, MAINTENANCE, RetryLater, "ONEC_MAINTENANCE", None),
        (200, VERSIONS, RetryLater, "ONEC_VERSION_MISMATCH", None),
        (200, page("Вход в систему"), RetryLater, "ONEC_BAD_ANSWER", None),
    ],
)
def test_an_answer_becomes_the_error_that_says_what_happens_next(status, body, kind, code, onec_code):
    error = translate(status, body, request="GET Catalog_X", now=NOW)

    assert (type(error), error.code, error.onec_code) == (kind, code, onec_code)
    assert error.http_status == status
    assert error.remedy
    assert "GET Catalog_X" in error.message


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, odata("15", "Сущность с таким ключом уже существует"), "ONEC_DUPLICATE_KEY"),
        (400, odata("4", "Недопустимое значение"), "ONEC_BAD_VALUE"),
        (500, odata("-1", "Не заполнена организация"), "ONEC_HANDLER"),
        (412, b"", "ONEC_CHANGED"),
    ],
)
def test_a_fault_of_one_written_object_concerns_that_object_only(status, body, code):
    error = translate(status, body, request="POST Document_X", write=True)

    assert (type(error), error.code) == (Quarantine, code)


def test_the_text_of_nested_exceptions_leaves_out_the_echoed_request():
    fault = read_fault(MAINTENANCE)

    assert fault.shape == "exception"
    assert fault.message.startswith(
        "Начало сеанса с информационной базой запрещено. · Ведутся технические работы"
    )
    assert "7701" not in fault.message


@pytest.mark.parametrize(
    ("body", "shape", "code", "message"),
    [
        (b"", "empty", "", ""),
        (BOM + b"  \r\n", "empty", "", ""),
        (odata("6", "Сегмент пути X не найден!"), "odata", "6", "Сегмент пути X не найден!"),
        (b'{"odata.error": {"code": 6, "message": "text"}}', "odata", "6", "text"),
        (b'{"odata.error": "odd"}', "other", "", ""),
        (plain_atom("", "Ошибка"), "atom", "", "Ошибка"),
        (atom("9", "Нет &lt;такого&gt;"), "atom", "9", "Нет <такого>"),
        (BOM + atom("9", "Нет"), "atom", "9", "Нет"),
        (
            atom("9", base64.b64encode("Недопустимый символ".encode()).decode()),
            "atom",
            "9",
            "Недопустимый символ",
        ),
        (page("Ошибка", "<script>secret()</script>a&nbsp;b"), "html", "", "Ошибка Ошибка a\xa0b"),
        (
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">]><error><message>&b;</message></error>',
            "other",
            "",
            "",
        ),
        (b"<feed/>", "other", "", ""),
        (b'{"cut', "other", "", '{"cut'),
        (b"[" * 100, "other", "", "[" * 100),
        ("\x1b[31mred\u202e\n".encode(), "other", "", "[31mred"),
        (b"\xcf\xf0\xe8", "other", "", "\ufffd" * 3),
    ],
)
def test_every_shape_of_body_is_read(body, shape, code, message):
    fault = read_fault(body)

    assert (fault.shape, fault.code, fault.message) == (shape, code, message)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Покупатель ivan.petrov@example.com не найден", "ivan"),
        ("Телефон +7 (916) 123-45-67 занят", "123"),
        ("ИНН 770123456789 неверен", "7701234"),
    ],
)
def test_personal_data_in_1c_messages_is_masked(text, hidden):
    assert hidden not in translate(500, odata("-1", text), request="GET X").onec_message


def test_guids_in_1c_messages_stay():
    text = "Объект 11111111-2222-3333-4444-555555555555 заблокирован"

    assert read_fault(odata("-1", text)).message == text


def test_a_long_message_is_cut():
    assert len(read_fault(odata("-1", "ы " * 4000)).message) == 500


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("86400", 900.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", None),
        ("Tue, 24 Nov 2026 12:00:00 GMT", 900.0),
        ("Mon, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_honoured_capped_and_distrusted(value, seconds):
    headers = {} if value is None else {"retry-after": value}

    assert retry_after(value, NOW) == seconds
    assert translate(503, b"", request="GET X", headers=headers, now=NOW).retry_after == seconds


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("json", b'{"value": []}'),
        ("json", BOM + b' {"value": []}\n'),
        ("atom", b'<?xml version="1.0"?><feed/>'),
        ("xml", BOM + b"<edmx:Edmx/>"),
        ("count", BOM + b"1103"),
        ("count", b"0\r\n"),
    ],
)
def test_what_was_asked_for_is_accepted(kind, body):
    check_shape(body, kind=kind, status=200, request="GET X")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("json", b""),
        ("json", BOM),
        ("json", b'{"value": ['),
        ("json", b"[]"),
        ("json", b"<feed></feed>"),
        ("json", page("Вход")),
        ("json", '{"value": []} и ещё'.encode()),
        ("atom", b'{"value": []}'),
        ("atom", page("Вход")),
        ("atom", b"<feed><entry"),
        ("xml", b"<HTML></HTML>"),
        ("count", b"1103 rows"),
        ("count", b'{"odata.count": "1"}'),
        ("count", page("Вход")),
    ],
)
def test_what_was_not_asked_for_is_a_bad_answer(kind, body):
    with pytest.raises(RetryLater) as caught:
        check_shape(body, kind=kind, status=200, request="GET X")

    assert caught.value.code == "ONEC_BAD_ANSWER"


def test_rows_of_a_cut_page_do_not_leak_into_the_message():
    with pytest.raises(RetryLater) as caught:
        check_shape('{"value": [{"Телефон": "1234"'.encode(), kind="json", status=200, request="GET X")

    assert "1234" not in str(caught.value)


@pytest.mark.parametrize("body", [atom("9", "нет"), plain_atom("9", "нет"), BOM + odata("9", "нет")])
def test_an_error_under_200_is_an_error(body):
    with pytest.raises(Skip):
        check_shape(body, kind="atom", status=200, request="GET X")


def test_a_page_that_mentions_an_error_inside_is_a_page():
    check_shape(b'{"value": [{"Description": "odata.error"}]}', kind="json", status=200, request="GET X")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("header Authorization: Basic b2RhdGE6Y2FuYXJ5MQ== refused", "header Authorization: *** refused"),
        ("bearer canary.7-x refused", "*** refused"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvZGF0YSJ9.c2ln refused", "token *** refused"),
        ("Basic authentication is required", "Basic authentication is required"),
    ],
)
def test_a_login_that_a_server_echoes_is_masked(said, shown):
    error = translate(500, odata("-1", said), request="GET X")

    assert error.onec_message == shown
