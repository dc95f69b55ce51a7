"""What the shop sells: kinds of goods with their brands, prices, weights, units and attributes. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from onec_pipelines.simulator.data.words import words


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of goods.

    A folder of the third level, a product kind of 1C, and the first words of product names.

    `gender` (m, f, n, p) decides which form of a colour follows the noun; `price` is retail in roubles,
    `grams` the weight, `unit` an OKEI code, `finish` what follows the model in a name, `brands` a set in
    BRANDS.
    """

    department: str
    section: str
    folder: str
    noun: str
    gender: str
    brands: str
    price: tuple[int, int]
    grams: tuple[int, int]
    unit: str
    vat: str
    variants: str
    finish: str
    attributes: tuple[str, ...]


COMMON = "ОбщиеДляВидаНоменклатуры"
OWN = "ИндивидуальныеДляНоменклатуры"
NO_VARIANTS = "НеИспользовать"
ATTRIBUTE_CODES = {
    "W": "Мощность",
    "G": "Гарантия",
    "S": "Сертификат",
    "V": "Объем",
    "M": "Материал",
    "D": "ДатаВыхода",
    "I": "Диагональ",
    "C": "Состав",
    "R": "Размер",
    "L": "СтранаБренда",
}
_VARIANTS = {"none": NO_VARIANTS, "common": COMMON, "own": OWN}

BRANDS: dict[str, tuple[str, ...]] = {
    "appliances": (
        "Atlant",
        "Bosch",
        "Candy",
        "Electrolux",
        "Gorenje",
        "Haier",
        "Philips",
        "Polaris",
        "Redmond",
        "Vitek",
    ),
    "electronics": (
        "Acer",
        "Asus",
        "Dell",
        "Digma",
        "Honor",
        "Huawei",
        "Lenovo",
        "Realme",
        "Samsung",
        "Xiaomi",
    ),
    "tools": (
        "Bort",
        "Bosch",
        "Denzel",
        "Hammer",
        "Makita",
        "Metabo",
        "Stanley",
        "Вихрь",
        "Зубр",
        "Интерскол",
    ),
    "home": (
        "Attribute",
        "Fissman",
        "Luminarc",
        "Mallony",
        "Rondell",
        "Tefal",
        "Доляна",
        "Гжель",
        "Кукмара",
        "Нева",
    ),
    "clothes": (
        "Baon",
        "Columbia",
        "Finn Flare",
        "Gulliver",
        "Outventure",
        "Sela",
        "Твое",
        "Сударь",
        "Черноземье",
        "Ярмарка",
    ),
    "shoes": ("Crosby", "Ecco", "Ralf", "Rieker", "Salamander", "Tamaris", "Зенден", "Юничел"),
    "beauty": (
        "Garnier",
        "Nivea",
        "Rexona",
        "Synergetic",
        "Биокон",
        "Заря",
        "Рецепты Агафьи",
        "Чистая линия",
    ),
    "kids": ("Hasbro", "Lego", "Polesie", "Ravensburger", "Звезда", "Нордпласт", "Стром", "Умка"),
    "food": (
        "Ahmad",
        "Greenfield",
        "Jacobs",
        "Merci",
        "Алтай",
        "Бабаевский",
        "Вкусвилл",
        "Макфа",
        "Мистраль",
        "Увелка",
    ),
    "garden": ("Fiskars", "Gardena", "Grinda", "Palisad", "Русский огород", "Сибртех", "Уральский дачник"),
    "office": ("Attache", "Brauberg", "Erich Krause", "Maped", "Комус", "Луч", "Светоч"),
    "sport": ("Atemi", "Demix", "Kettler", "Nordway", "Stels", "Torneo", "Старт", "Тритон"),
}

SERIES: tuple[str, ...] = words("AX CL DM EVO GT KR LS MX NEO PR RS SM TX VR")

# folder|noun|gender|brands|price|grams|unit|VAT|variants|finish|attributes; a line with # opens a section
_TABLE = """
# Бытовая техника / Климатическая техника
Вентиляторы|Вентилятор|m|appliances|890-8900|900-6500|796|НДС20|none|colour|WGS
Обогреватели|Обогреватель|m|appliances|1490-14900|1900-12500|796|НДС20|none|colour|WGS
Увлажнители воздуха|Увлажнитель воздуха|m|appliances|1290-15900|800-5200|796|НДС20|none|colour|WVG
# Бытовая техника / Кухонная техника
Блендеры|Блендер|m|appliances|1290-12900|700-3900|796|НДС20|none|colour|WVMG
Кофемашины|Кофемашина|f|appliances|9900-129900|3500-14000|796|НДС20|none|colour|WVGS
Мультиварки|Мультиварка|f|appliances|2490-19900|2500-6800|796|НДС20|none|colour|WVG
Чайники|Чайник|m|appliances|790-9900|600-2100|796|НДС20|own|volume|WMG
# Бытовая техника / Техника для дома
Пылесосы|Пылесос|m|appliances|3490-49900|2200-9800|796|НДС20|none|colour|WVGD
Утюги|Утюг|m|appliances|990-11900|800-2400|796|НДС20|none|colour|WMG
# Электроника / Компьютеры
Клавиатуры|Клавиатура|f|electronics|490-12900|300-1600|796|НДС20|none|colour|GD
Мониторы|Монитор|m|electronics|7900-89900|2900-9500|796|НДС20|none|none|IGD
Ноутбуки|Ноутбук|m|electronics|24900-249900|1100-3200|796|НДС20|none|none|IGDS
# Электроника / Телефоны
Смартфоны|Смартфон|m|electronics|6900-149900|140-260|796|НДС20|own|none|IGD
Чехлы для смартфонов|Чехол для смартфона|m|electronics|190-2900|20-90|796|НДС20|own|none|M
# Электроника / Аудио и видео
Наушники|Наушники|p|electronics|390-39900|40-420|796|НДС20|none|colour|GD
Телевизоры|Телевизор|m|electronics|9900-299900|3900-29000|796|НДС20|none|none|IWG
# Инструмент / Электроинструмент
Дрели|Дрель ударная|f|tools|1490-18900|1300-3900|796|НДС20|none|none|WGS
Лобзики|Лобзик электрический|m|tools|1790-21900|1500-3400|796|НДС20|none|none|WG
Перфораторы|Перфоратор|m|tools|3490-54900|2400-8900|796|НДС20|none|none|WGS
# Инструмент / Ручной инструмент
Молотки|Молоток слесарный|m|tools|190-2490|200-1900|796|НДС20|none|size|M
Отвертки|Отвертка|f|tools|79-990|40-310|796|НДС20|none|size|M
Рулетки|Рулетка измерительная|f|tools|149-1990|120-690|796|НДС20|none|length|M
# Инструмент / Крепеж
Саморезы|Саморез|m|tools|90-690|500-1000|166|НДС20|none|size|MC
Тросы|Трос стальной|m|tools|45-590|60-900|006|НДС20|none|size|M
# Дом и кухня / Посуда
Кастрюли|Кастрюля|f|home|790-8900|700-3900|796|НДС20|own|volume|MV
Сковороды|Сковорода|f|home|690-7900|600-2900|796|НДС20|none|diameter|M
Тарелки|Тарелка|f|home|99-1490|180-900|796|НДС20|none|colour|M
# Дом и кухня / Текстиль
Полотенца|Полотенце махровое|n|home|190-2490|120-700|796|НДС20|common|colour|C
Постельное белье|Комплект постельного белья|m|home|1290-14900|900-2600|839|НДС20|common|colour|CR
# Дом и кухня / Освещение
Лампы светодиодные|Лампа светодиодная|f|home|69-990|30-190|796|НДС20|none|none|WG
Люстры|Люстра|f|home|1990-39900|1500-12500|796|НДС20|none|colour|WM
# Одежда / Верхняя одежда
Куртки|Куртка|f|clothes|2990-24900|500-1900|796|НДС20|common|colour|CL
Пальто|Пальто|n|clothes|4990-39900|900-2400|796|НДС20|common|colour|CL
# Одежда / Повседневная одежда
Джинсы|Джинсы|p|clothes|1490-8900|400-900|796|НДС20|common|colour|CL
Рубашки|Рубашка|f|clothes|990-6900|180-450|796|НДС20|common|colour|CL
Футболки|Футболка|f|clothes|390-3990|120-290|796|НДС20|common|colour|C
# Обувь / Мужская обувь
Ботинки|Ботинки|p|shoes|2990-17900|800-1900|796|НДС20|common|colour|ML
Кроссовки|Кроссовки|p|shoes|1990-15900|500-1200|796|НДС20|common|colour|ML
# Обувь / Женская обувь
Сапоги|Сапоги|p|shoes|3990-24900|900-2100|796|НДС20|common|colour|ML
Туфли|Туфли|p|shoes|1990-14900|400-1100|796|НДС20|common|colour|M
# Красота и гигиена / Уход
Кремы|Крем для рук|m|beauty|69-1490|50-320|796|НДС20|none|ml|C
Шампуни|Шампунь|m|beauty|99-1290|250-1050|796|НДС20|none|ml|CV
# Красота и гигиена / Бытовая химия
Средства для стирки|Средство для стирки|n|beauty|149-1990|900-5200|112|НДС20|none|none|CV
# Детские товары / Игрушки
Конструкторы|Конструктор|m|kids|290-24900|150-4900|796|НДС10|none|none|MS
Куклы|Кукла|f|kids|290-6900|180-1200|796|НДС10|none|none|MS
# Детские товары / Детская одежда
Комбинезоны|Комбинезон детский|m|clothes|990-8900|200-900|796|НДС10|common|colour|C
Подгузники|Подгузники|p|kids|390-2990|700-3900|778|НДС10|none|none|C
# Продукты / Бакалея
Крупы|Крупа гречневая|f|food|59-390|400-5000|796|НДС10|none|none|C
Макароны|Макароны|p|food|39-290|400-1000|796|НДС10|none|none|C
# Продукты / Чай и кофе
Кофе|Кофе|m|food|149-2990|100-1050|796|НДС20|none|grams|CL
Чай|Чай|m|food|69-1490|50-550|796|НДС20|none|grams|CL
# Продукты / Кондитерские изделия
Конфеты|Конфеты|p|food|290-1990|1000-1000|166|НДС20|none|none|C
# Сад и огород / Полив
Шланги|Шланг поливочный|m|garden|35-290|120-420|006|НДС20|none|size|M
# Сад и огород / Садовый инвентарь
Лопаты|Лопата|f|garden|290-3490|700-2600|796|НДС20|none|none|M
Секаторы|Секатор|m|garden|190-4990|150-490|796|НДС20|none|none|MG
# Канцелярия / Бумага
Тетради|Тетрадь|f|office|15-390|40-420|796|НДС10|none|colour|M
# Канцелярия / Письменные принадлежности
Карандаши|Карандаш|m|office|9-190|5-40|796|НДС20|none|colour|M
Ручки|Ручка шариковая|f|office|9-990|8-60|796|НДС20|own|none|M
# Спорт / Велосипеды
Велосипеды|Велосипед|m|sport|9900-149900|9500-19500|796|НДС20|own|none|MG
# Спорт / Фитнес
Гантели|Гантель|f|sport|290-9900|500-24000|796|НДС20|none|colour|M
Коврики|Коврик для йоги|m|sport|490-4900|700-2400|796|НДС20|own|none|MC
# Спорт / Туризм
Палатки|Палатка|f|sport|2490-49900|1900-9900|796|НДС20|none|none|MG
"""


def _span(text: str) -> tuple[int, int]:
    low, high = text.split("-")
    return int(low), int(high)


def _kinds() -> tuple[Kind, ...]:
    kinds: list[Kind] = []
    department = section = ""
    for line in _TABLE.strip().splitlines():
        if line.startswith("# "):
            department, section = line[2:].split(" / ")
            continue
        folder, noun, gender, brands, price, grams, unit, vat, variants, finish, attributes = line.split("|")
        kinds.append(
            Kind(
                department=department,
                section=section,
                folder=folder,
                noun=noun,
                gender=gender,
                brands=brands,
                price=_span(price),
                grams=_span(grams),
                unit=unit,
                vat=vat,
                variants=_VARIANTS[variants],
                finish=finish,
                attributes=tuple(ATTRIBUTE_CODES[code] for code in attributes),
            )
        )
    return tuple(kinds)


KINDS = _kinds()
