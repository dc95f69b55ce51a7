"""What people type into 1C as contact information, and what we understand of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.errors import Stop
from onec_pipelines.onec import contacts

ADDRESS = {
    "value": "196135, Санкт-Петербург г, Типанова ул, дом № 18, корпус А, квартира 7Н",
    "type": "Адрес",
    "country": "РОССИЯ",
    "ZIPcode": "196135",
    "area": "Санкт-Петербург",
    "areaType": "г",
    "street": "Типанова",
    "streetType": "ул",
    "houseType": "Дом",
    "houseNumber": "18",
    "buildings": [{"type": "Корпус", "number": "А"}],
    "apartments": [{"type": "Квартира", "number": "7Н"}],
}


@pytest.fixture(autouse=True)
def _russia():
    contacts.use_region("RU")
    yield
    contacts.use_region("RU")


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (" Ivan.PETROV@Mail.RU ", ["ivan.petrov@mail.ru"]),
        ("sales@example.ru; office@example.ru", ["sales@example.ru", "office@example.ru"]),
        ("a@b.ru, A@B.RU", ["a@b.ru"]),
        ("Иван <иван@почта.рф>", ["иван@почта.рф"]),
        ("mailto:x+shop@y.co.uk.", ["x+shop@y.co.uk"]),
        ("нет почты", []),
        ("a@b", []),
        ("a..b@c.ru", []),
        ("@c.ru", []),
        ("", []),
    ],
)
def test_e_mail_addresses(typed, understood):
    assert contacts.emails(typed) == understood


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("+7 (900) 111-22-33", ["+79001112233"]),
        ("8(903)123-45-67 доб. 12 (Иван)", ["+79031234567"]),
        ("89031234567, +7 916 765 43 21", ["+79031234567", "+79167654321"]),
        ("8 903 123 45 67, 89031234567", ["+79031234567"]),
        ("т. 8 (495) 123-45-67 вечером", ["+74951234567"]),
        ("79001112233", ["+79001112233"]),
        ("9031234567", ["+79031234567"]),
        ("375291234567", ["+375291234567"]),
        ("+375 29 123-45-67", ["+375291234567"]),
        ("123-45-67", []),
        ("1234567", []),
        ("нет", []),
        ("9" * 400, []),
    ],
)
def test_telephone_numbers(typed, understood):
    assert contacts.phones(typed) == understood


def test_a_number_without_country_belongs_to_the_region():
    contacts.use_region("DE")

    assert contacts.phones("030 123456") == ["+4930123456"]


def test_an_unknown_region_is_a_mistake_in_the_settings():
    with pytest.raises(Stop, match="ONEC_PHONE_REGION=XX"):
        contacts.use_region("XX")


def test_the_extension_is_told_apart():
    assert contacts.extension("8(903)123-45-67 доб. 12 (Иван)") == "12"
    assert contacts.extension("+7 903 123-45-67") is None


def test_parts_of_an_address_as_the_recorded_demo_base_has_them():
    assert contacts.address_parts(json.dumps(ADDRESS)) == {
        "country": "РОССИЯ",
        "postcode": "196135",
        "region": "Санкт-Петербург г",
        "street": "Типанова ул",
        "house": "18, Корпус А",
        "flat": "Квартира 7Н",
    }


XML = (
    '<КонтактнаяИнформация xmlns="http://www.v8.1c.ru/ssl/contactinfo" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Представление="119991, Москва г"><Комментарий>Двор</Комментарий>'
    '<Состав xsi:type="Адрес" Страна="РОССИЯ"><Состав xsi:type="АдресРФ"><СубъектРФ>Московская обл</СубъектРФ><Округ/>'
    "<СвРайМО><Район>Истринский р-н</Район></СвРайМО><НаселПункт>Дедовск  д</НаселПункт><Улица>Главная ул</Улица>"
    '<ОКТМО>0</ОКТМО><ДопАдрЭл ТипАдрЭл="10100000" Значение="143530"/>'
    '<ДопАдрЭл><Номер Тип="1050" Значение="2"/></ДопАдрЭл><ДопАдрЭл><Номер Тип="1010" Значение="18"/></ДопАдрЭл>'
    '<ДопАдрЭл><Номер Тип="2020" Значение="7Н"/></ДопАдрЭл></Состав></Состав></КонтактнаяИнформация>'
)
PARTS = {
    "country": "РОССИЯ",
    "postcode": "143530",
    "region": "Московская обл",
    "district": "Истринский р-н",
    "city": "Дедовск д",
    "street": "Главная ул",
    "house": "18, Корпус 2",
    "flat": "Офис 7Н",
}


def test_parts_of_an_address_that_is_kept_as_xml():
    assert contacts.address_parts("\ufeff" + XML) == PARTS


def test_parts_of_an_address_that_is_kept_as_lines():
    lines = "Страна=РОССИЯ\nИндекс=143530\nРегион=Московская обл\nНаселенныйПункт=Дедовск д\nДом=18\nКорпус=\nКвартира=7"

    assert contacts.address_parts(lines) == {
        **{name: PARTS[name] for name in ("country", "postcode", "region", "city")},
        "house": "18",
        "flat": "Квартира 7",
    }


@pytest.mark.parametrize(
    "text",
    [
        XML.replace('xsi:type="Адрес"', 'xsi:type="НомерТелефона"').replace('xsi:type="АдресРФ"', ""),
        XML[:-20],
        "<!DOCTYPE a [<!ENTITY b 'c'>]>" + XML,
        "<" * 200_000,
        "КодСтраны=7\nНомерТелефона=1112233",
    ],
)
def test_other_or_broken_fields_have_no_parts(text):
    assert contacts.address_parts(text) is None


@pytest.mark.parametrize(
    "text", ["", '{"value": "+7', "[]", '"x"', '{"type": "Телефон", "countryCode": "7"}', "{}", "[" * 10_000]
)
def test_what_is_no_address_has_no_parts(text):
    assert contacts.address_parts(text) is None


def test_what_postgresql_cannot_store_is_left_out_of_the_parts():
    assert contacts.address_parts('{"street": "a\\u0000\\ud800b", "streetType": 7}') == {"street": "ab 7"}


@given(st.text())
def test_no_text_breaks_it(text):
    for address in contacts.emails(text):
        assert address.count("@") == 1
    for number in contacts.phones(text):
        assert number.startswith("+")
    assert contacts.extension(text) is None or contacts.phones(text)
