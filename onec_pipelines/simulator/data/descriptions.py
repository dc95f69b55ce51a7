"""Texts of product descriptions: plain, long, and HTML as sites paste it.

Lengths are those of real shops (0 to 14 000).
"""

from __future__ import annotations

from functools import cache

from onec_pipelines.simulator.data.guids import salt, scramble
from onec_pipelines.simulator.data.words.goods import KINDS

_OPENINGS = (
    "Надежное решение для ежедневного использования.",
    "Модель сочетает продуманную конструкцию и понятное управление.",
    "Хит продаж прошлого сезона, теперь в обновленном исполнении.",
    "Подойдет и для дома, и для небольшого офиса.",
)
_FACTS = (
    "Корпус изготовлен из прочных материалов, устойчивых к царапинам.",
    "Комплект поставки: изделие, инструкция на русском языке, гарантийный талон.",
    "Уход: протирать мягкой влажной тканью, не использовать абразивные средства.",
    "Упаковка защищает товар при перевозке почтой и транспортной компанией.",
    "Производитель вправе менять цвет и комплектацию без предварительного уведомления.",
    "Товар сертифицирован, соответствует требованиям ТР ТС 004/2011 и ТР ТС 020/2011.",
    "Рабочая температура от −10 до +40 °C, относительная влажность до 80 %.",
    "Срок службы — не менее 5 лет при соблюдении правил эксплуатации.",
    "Покупатели отмечают низкий уровень шума и удобство хранения.",
    "Размеры указаны с точностью ±2 мм, вес — без учета упаковки.",
    "Страна производства указана на упаковке и может отличаться от страны бренда.",
    "Возврат возможен в течение 14 дней при сохранении товарного вида.",
)
_LONG = 14000


def _plain(key: int, sentences: int) -> str:
    start = scramble(sentences, key)
    chosen = [_FACTS[(start + 5 * turn) % len(_FACTS)] for turn in range(sentences)]
    return " ".join([_OPENINGS[start % len(_OPENINGS)], *chosen])


def _html(noun: str, key: int, blocks: int) -> str:
    rows = "".join(
        f"<tr><td>{fact.split(' ', 1)[0].strip(':,')}</td><td>{fact}</td></tr>"
        for fact in (_FACTS[(key + turn) % len(_FACTS)] for turn in range(blocks))
    )
    return (
        f'<div class="product-description"><h2>{noun}</h2><p>{_plain(key, 4)}</p>\r\n'
        f"<ul><li>Доставка &amp; самовывоз</li><li>Гарантия&nbsp;12 мес.</li></ul><br/>"
        f'<table border="1">{rows}</table></div>'
    )


@cache
def pool(kind: int) -> tuple[str, ...]:
    """Give sixteen description endings for a kind of goods.

    Five empty, six short, three middling, one HTML, one long.
    """
    key = salt(kind, "description")
    short = [_plain(key + turn, 1 + turn % 3) for turn in range(6)]
    middling = [_plain(key + 10 + turn, 6 + 2 * turn) for turn in range(3)]
    paragraphs = "\n\n".join(_plain(key + 20 + turn, 8) for turn in range(6))
    return ("", "", "", "", "", *short, *middling, _html(KINDS[kind].noun, key, 8), paragraphs)


def overlong(kind: int) -> str:
    """Give a description of about 14 000 characters, as copied from a supplier's catalogue."""
    text = "\n".join(_html(KINDS[kind].noun, kind + turn, 12) for turn in range(12))
    return text[:_LONG]
