"""Contact information: kinds, and rows with presentation.

Fields and the JSON value as 1C's library writes it (PROTOCOL §11.6).
"""

from __future__ import annotations

import json
from xml.sax.saxutils import quoteattr

from onec_pipelines.simulator.data.dictionaries import head
from onec_pipelines.simulator.data.tables import ListTable, by_presentation
from onec_pipelines.simulator.data.words.people import CITIES, STREETS
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row

CONTACT_KIND = "Catalog_ВидыКонтактнойИнформации"
# predefined name, Description, type
_KINDS = (
    ("EmailПартнера", "Email", "АдресЭлектроннойПочты"),
    ("EmailКонтрагента", "Email контрагента", "АдресЭлектроннойПочты"),
    ("АдресПартнера", "Адрес доставки", "Адрес"),
    ("ТелефонПартнера", "Телефон", "Телефон"),
    ("ТелефонКонтрагента", "Телефон контрагента", "Телефон"),
    ("ЮрАдресКонтрагента", "Юридический адрес", "Адрес"),
)


def contact_kinds(world: World) -> ListTable:
    """Give `Catalog_ВидыКонтактнойИнформации`."""
    return by_presentation(
        CONTACT_KIND,
        [
            {
                **head(world, CONTACT_KIND, name, title),
                "IsFolder": False,
                "Predefined": True,
                "PredefinedDataName": name,
                "ИмяПредопределенногоВида": name,
                "Тип": sort,
                "Используется": True,
                "РазрешитьВводНесколькихЗначений": sort != "Адрес",
                "ПроверятьКорректность": True,
            }
            for name, title, sort in _KINDS
        ],
    )


def _row(world: World, kind: str, sort: str, text: str, value: dict[str, object], **fields: str) -> Row:
    guid = world.ref(CONTACT_KIND, kind)
    return {
        "Тип": sort,
        "Вид_Key": guid,
        "ВидДляСписка_Key": guid,
        "Представление": text,
        "Значение": json.dumps(
            {"version": 4, "value": text, "comment": "", "type": sort, **value}, ensure_ascii=False
        ),
        **fields,
    }


def phone(world: World, kind: str, code: str, number: int) -> Row:
    """Give a telephone: a three-digit code and seven digits."""
    digits = f"{number:07d}"
    local = f"{digits[:3]}-{digits[3:5]}-{digits[5:]}"
    value: dict[str, object] = {"countryCode": "7", "areaCode": code, "number": local, "extNumber": ""}
    text = f"+7 ({code}) {local}"
    return _row(
        world, kind, "Телефон", text, value, НомерТелефона=f"7{code}{digits}", НомерТелефонаБезКодов=digits
    )


def email(world: World, kind: str, address: str) -> Row:
    """Give an e-mail address."""
    domain = address.rpartition("@")[2]
    return _row(world, kind, "АдресЭлектроннойПочты", address, {}, АдресЭП=address, ДоменноеИмяСервера=domain)


def address(world: World, kind: str, city: int, chance: int) -> Row:
    """Give a postal address in one of the cities."""
    name, region, _, _, postcode = CITIES[city % len(CITIES)]
    street, house, flat = STREETS[chance % len(STREETS)], 1 + (chance >> 8) % 90, 1 + (chance >> 16) % 200
    text = f"{postcode}, {region}, {name}, {street} ул, дом № {house}, квартира {flat}"
    value: dict[str, object] = {
        "country": "РОССИЯ",
        "countryCode": "643",
        "addressType": "Административно-территориальный",
        "ZIPcode": postcode,
        "area": region.rpartition(" ")[0],
        "areaType": region.rpartition(" ")[2],
        "city": name,
        "cityType": "г",
        "street": street,
        "streetType": "ул",
        "houseType": "Дом",
        "houseNumber": str(house),
        "apartments": [{"type": "Квартира", "number": str(flat)}],
    }
    fields = _address_fields(text, value, house, flat)
    return _row(
        world, kind, "Адрес", text, value, Страна="РОССИЯ", Регион=region, Город=name, ЗначенияПолей=fields
    )


def _address_fields(text: str, value: dict[str, object], house: int, flat: int) -> str:
    """The XML that UT 11.4 keeps the parts of an address in, and later releases beside the JSON."""
    numbers = "".join(
        f'<ДопАдрЭл><Номер Тип="{kind}" Значение="{number}"/></ДопАдрЭл>'
        for kind, number in (("1010", house), ("2010", flat))
    )
    return (
        '<КонтактнаяИнформация xmlns="http://www.v8.1c.ru/ssl/contactinfo" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Представление={quoteattr(text)}><Комментарий/>'
        '<Состав xsi:type="Адрес" Страна="РОССИЯ"><Состав xsi:type="АдресРФ">'
        f"<СубъектРФ>{value['area']} {value['areaType']}</СубъектРФ><Город>{value['city']} г</Город>"
        f"<Улица>{value['street']} ул</Улица><ОКТМО>0</ОКТМО>{numbers}"
        f'<ДопАдрЭл ТипАдрЭл="10100000" Значение="{value["ZIPcode"]}"/>'
        "</Состав></Состав></КонтактнаяИнформация>"
    )
