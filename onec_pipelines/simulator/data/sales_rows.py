"""Wire rows of the sales chain.

Order, shipment, payment, return request, return, state of an order (PROTOCOL §11.7, §11.8).

Also deliveries from suppliers. What happened is decided in `orders.py` and `receipts.py`; here it is only
written down.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from onec_pipelines.simulator.data.company import (
    AGREEMENT,
    AGREEMENTS,
    ORGANISATION,
    PRIORITY,
    REASON,
    USER,
    contract_of,
)
from onec_pipelines.simulator.data.customers import CONTRACTOR, PARTNER, Customers
from onec_pipelines.simulator.data.dictionaries import CURRENCY, VAT
from onec_pipelines.simulator.data.guids import scramble
from onec_pipelines.simulator.data.order_defects import OrderSpoiler
from onec_pipelines.simulator.data.orders import (
    CANCELLED,
    CLOSED,
    DELETED,
    DRAFT,
    PARTLY,
    READY,
    SHIPPED,
    SUPPLY,
    Line,
    Order,
    Orders,
    ask_moment,
    pay_moment,
    return_moment,
    ship_moment,
)
from onec_pipelines.simulator.data.plan import NOMENCLATURE
from onec_pipelines.simulator.data.prices import PRICE_KIND
from onec_pipelines.simulator.data.receipts import Receipts
from onec_pipelines.simulator.data.stock import Dimensions
from onec_pipelines.simulator.data.tables import EMPTY_DATE, FIRST_VERSIONS, UNDEFINED, ZERO_GUID, numbered
from onec_pipelines.simulator.data.variants import Keys
from onec_pipelines.simulator.data.world import World, stamp
from onec_pipelines.simulator.source import Row

ORDER = "Document_ЗаказКлиента"
SALE = "Document_РеализацияТоваровУслуг"
PAYMENT = "Document_ПоступлениеБезналичныхДенежныхСредств"
REQUEST = "Document_ЗаявкаНаВозвратТоваровОтКлиента"
RETURN = "Document_ВозвратТоваровОтКлиента"
CARD = "Catalog_КартыЛояльности"
_CENT = Decimal("0.01")
_STATUSES = {
    DRAFT: "НеСогласован",
    SUPPLY: "КОбеспечению",
    READY: "КОтгрузке",
    PARTLY: "КОтгрузке",
    SHIPPED: "КОтгрузке",
    CLOSED: "Закрыт",
    CANCELLED: "Закрыт",
    DELETED: "НеСогласован",
}
_STATES = {
    SUPPLY: "ОжидаетсяОбеспечение",
    READY: "ГотовКОтгрузке",
    PARTLY: "ВПроцессеОтгрузки",
    SHIPPED: "ОжидаетсяОплатаПослеОтгрузки",
    CLOSED: "Закрыт",
    CANCELLED: "Закрыт",
}
_REASONS = ("Не подошел размер", "Обнаружен брак", "Не понравился цвет", "Привезли другой товар")
_WEB = 3  # three orders of four come from the site and carry its number


class SalesRows:
    """Builds wire rows of the sales chain."""

    def __init__(self, world: World, customers: Customers, orders: Orders, receipts: Receipts) -> None:
        self._world = world
        self._customers = customers
        self._orders = orders
        self._receipts = receipts
        self._goods = world.guids(NOMENCLATURE)
        self._keys = Keys(world)
        self._places = Dimensions(world).warehouses
        self._roubles = world.ref(CURRENCY, "643")
        self.spoiler = OrderSpoiler(world, ORDER)

    def key(self, entity: str, number: int) -> str:
        """Give the key of a document of the chain by the number of its order (or delivery)."""
        return self._world.guids(entity).make(number)

    def order(self, number: int) -> Row:
        """Give `Document_ЗаказКлиента`."""
        order = self._orders.get(number)
        lines = self._orders.lines(order)
        row = self._head(ORDER, order, order.moment, number)
        total = sum((line.amount for line in lines if not line.cancelled), Decimal(0))
        web = order.chance >> 60 & _WEB
        row.update(
            Posted=order.posted,
            DeletionMark=order.stage == DELETED,
            Статус=_STATUSES[order.stage],
            Согласован=order.posted,
            ДатаСогласования=_day(order.moment) if order.posted else EMPTY_DATE,
            ДатаОтгрузки=_day(ship_moment(order)),
            СуммаДокумента=total,
            МаксимальныйКодСтроки=len(lines),
            СпособДоставки="ДоКлиента" if web else "Самовывоз",
            АдресДоставки="119019, Москва г, Арбатская ул, дом № 1" if web else "",
            ФормаОплаты="Безналичная" if order.cashless else "ПлатежнаяКарта" if web else "Наличная",
            НомерПоДаннымКлиента=f"WEB-{100_000 + number}" if web else "",
            ДатаПоДаннымКлиента=_day(order.moment) if web else EMPTY_DATE,
            СкидкиРассчитаны=True,
            Приоритет_Key=self._world.ref(PRIORITY, "Средний"),
            Автор=self._world.ref(USER, "Обмен с сайтом" if web else "Администратор"),
            Автор_Type=f"StandardODATA.{USER}",
            ДокументОснование="",
            ДокументОснование_Type=UNDEFINED,
            КартаЛояльности_Key=self.card(order),
            ПорядокРасчетов="ПоЗаказам",
            Товары=numbered(self._order_line(order, line, code) for code, line in enumerate(lines, 1)),
            ЭтапыГрафикаОплаты=numbered([self._stage(order, total)]),
        )
        self.spoiler.spoil(row, number)
        return row

    def sale(self, number: int) -> Row:
        """Give `Document_РеализацияТоваровУслуг` of an order."""
        order = self._orders.get(number)
        row = self._head(SALE, order, ship_moment(order), number)
        lines = self._orders.shipped_lines(order)
        codes = {line.sku: code for code, line in enumerate(self._orders.lines(order), 1)}
        reference = {"ЗаказКлиента": self.key(ORDER, number), "ЗаказКлиента_Type": f"StandardODATA.{ORDER}"}
        row.update(
            **reference,
            Статус="Отгружено",
            РеализацияПоЗаказам=True,
            СкидкиРассчитаны=True,
            СуммаДокумента=sum((line.amount for line in lines), Decimal(0)),
            СуммаВзаиморасчетов=sum((line.amount for line in lines), Decimal(0)),
            ВалютаВзаиморасчетов_Key=self._roubles,
            КартаЛояльности_Key=self.card(order),
            ПорядокРасчетов="ПоЗаказам",
            ДатаПереходаПраваСобственности=_day(ship_moment(order)),
            Товары=numbered(
                {**self._line(order, line), "КодСтроки": codes[line.sku], **reference} for line in lines
            ),
        )
        return row

    def payment(self, number: int) -> Row:
        """Give `Document_ПоступлениеБезналичныхДенежныхСредств` for an order."""
        order = self._orders.get(number)
        total = sum((line.amount for line in self._orders.lines(order) if not line.cancelled), Decimal(0))
        moment = pay_moment(order)
        return {
            **self._document(PAYMENT, order, moment, number),
            "ХозяйственнаяОперация": "ПоступлениеОплатыОтКлиента",
            "СуммаДокумента": total,
            "НомерВходящегоДокумента": str(1000 + number),
            "ДатаВходящегоДокумента": _day(moment),
            "НазначениеПлатежа": f"Оплата по заказу {number + 1} от {order.moment:%d.%m.%Y}, в т. ч. НДС",
            "ПроведеноБанком": True,
            "ДатаПроведенияБанком": _day(moment),
            "РасшифровкаПлатежа": numbered(
                [
                    {
                        "Партнер_Key": self.key(PARTNER, order.customer),
                        "Сумма": total,
                        "СуммаВзаиморасчетов": total,
                        "ВалютаВзаиморасчетов_Key": self._roubles,
                        "ОснованиеПлатежа": self.key(ORDER, number),
                        "ОснованиеПлатежа_Type": f"StandardODATA.{ORDER}",
                    }
                ]
            ),
        }

    def request(self, number: int) -> Row:
        """Give `Document_ЗаявкаНаВозвратТоваровОтКлиента` for the first shipped line of an order."""
        order = self._orders.get(number)
        line, moment = self.returned_line(order), ask_moment(order)
        sold = {
            "ДокументРеализации": self.key(SALE, number),
            "ДокументРеализации_Type": f"StandardODATA.{SALE}",
        }
        status = self._orders.request_status(order)
        row = self._head(REQUEST, order, moment, number)
        row.update(
            **sold,
            ХозяйственнаяОперация="ВозвратТоваровОтКлиента",
            Статус=status,
            Согласован=status not in {"НеСогласована", "Отклонена"},
            СуммаДокумента=line.amount,
            ПричинаВозврата=_REASONS[order.chance % len(_REASONS)],
            СпособКомпенсации="ВернутьДенежныеСредства",
            Автор=self._world.ref(USER, "Администратор"),
            Автор_Type=f"StandardODATA.{USER}",
            ВозвращаемыеТоварыМаксимальныйКодСтроки=1,
            ВозвращаемыеТовары=numbered([{**self._plain_line(line), "КодСтроки": 1, **sold}]),
        )
        return row

    def taken_back(self, number: int) -> Row:
        """Give `Document_ВозвратТоваровОтКлиента` for the first shipped line of an order."""
        order = self._orders.get(number)
        line, moment = self.returned_line(order), return_moment(order)
        sold = {
            "ДокументРеализации": self.key(SALE, number),
            "ДокументРеализации_Type": f"StandardODATA.{SALE}",
        }
        row = self._head(RETURN, order, moment, number)
        row.update(
            **sold,
            ХозяйственнаяОперация="ВозвратТоваровОтКлиента",
            ЗаявкаНаВозвратТоваровОтКлиента_Key=self.key(REQUEST, number),
            СуммаДокумента=line.amount,
            ПричинаВозврата=_REASONS[order.chance % len(_REASONS)],
            СпособКомпенсации="ВернутьДенежныеСредства",
            Товары=numbered([{**self._plain_line(line), "КодСтроки": 1, **sold}]),
        )
        return row

    def state(self, number: int) -> Row:
        """Give `InformationRegister_СостоянияЗаказовКлиентов` of an order."""
        order = self._orders.get(number)
        total = sum((line.amount for line in self._orders.lines(order) if not line.cancelled), Decimal(0))
        shipped = sum((line.amount for line in self._orders.shipped_lines(order)), Decimal(0))
        paid = total if order.paid else Decimal(0)
        return {
            "Заказ": self.key(ORDER, number),
            "Заказ_Type": f"StandardODATA.{ORDER}",
            "Состояние": _STATES[order.stage],
            "Состояние_Type": "StandardODATA.СостоянияЗаказовКлиентов",
            "ДатаСобытия": _day(ship_moment(order)) if order.stage in {SUPPLY, READY} else EMPTY_DATE,
            "СуммаОплаты": paid,
            "ПроцентОплаты": _percent(paid, total),
            "СуммаОтгрузки": shipped,
            "ПроцентОтгрузки": _percent(shipped, total),
            "СуммаДолга": max(shipped - paid, Decimal(0)),
            "ПроцентДолга": _percent(max(shipped - paid, Decimal(0)), total),
        }

    def receipt(self, document: int) -> Row:
        """Give `Document_ПриобретениеТоваровУслуг` by the number of the delivery."""
        moment, (_, _, place) = self._receipts.date(document), self._receipts.place(document)
        suppliers = self._customers.suppliers
        supplier = suppliers[document % len(suppliers)]
        lines: list[Row] = [
            {
                "Номенклатура_Key": self._goods.make(line.item),
                "Характеристика_Key": self._keys.key(line.group, line.item, line.variant),
                "Количество": line.quantity,
                "КоличествоУпаковок": line.quantity,
                "Цена": Decimal(line.group.kind.price[0] * 60).scaleb(-2),
                "Сумма": (Decimal(line.group.kind.price[0] * 60).scaleb(-2) * line.quantity).quantize(
                    _CENT, ROUND_HALF_UP
                ),
                "СтавкаНДС_Key": self._world.ref(VAT, line.group.kind.vat),
                "Склад_Key": self._places[place],
                "КодСтроки": code,
            }
            for code, line in enumerate(self._receipts.lines(document), 1)
        ]
        return {
            "Ref_Key": self._receipts.guids.make(document),
            "DataVersion": FIRST_VERSIONS[document & 3],
            "Number": f"ТД{document // 1_000_000:02d}-{document % 1_000_000:06d}",
            "Date": moment,
            "DeletionMark": False,
            "Posted": True,
            "Партнер_Key": self.key(PARTNER, supplier),
            "Контрагент_Key": self.key(CONTRACTOR, supplier),
            "Склад_Key": self._places[place],
            "Валюта_Key": self._roubles,
            "Организация_Key": self._world.ref(ORGANISATION, "ТД"),
            "ХозяйственнаяОперация": "ЗакупкаУПоставщика",
            "НалогообложениеНДС": "ПродажаОблагаетсяНДС",
            "Согласован": True,
            "СуммаДокумента": sum((line["Сумма"] for line in lines), Decimal(0)),
            "НомерВходящегоДокумента": f"УПД-{document + 1}",
            "ДатаВходящегоДокумента": f"{moment[:10]}T00:00:00",
            "Товары": numbered(lines),
        }

    def returned_line(self, order: Order) -> Line:
        """Give the line of an order that came back (or was asked to be taken back)."""
        return self._orders.shipped_lines(order)[0]

    def card(self, order: Order) -> str:
        """Give the loyalty card used with an order, or the zero GUID."""
        return self.key(CARD, order.customer) if self.has_card(order) else ZERO_GUID

    @staticmethod
    def has_card(order: Order) -> bool:
        """Whether a loyalty card was shown: the first tenth of every hundred customers has one."""
        return order.customer % 10 == 0 and not order.wholesale

    def _document(self, entity: str, order: Order, moment: datetime, number: int) -> Row:
        legal = self._customers.legal.rank(order.customer) is not None
        return {
            "Ref_Key": self.key(entity, number),
            "DataVersion": FIRST_VERSIONS[order.chance & 3],
            "Number": f"ТД00-{self._orders.number_in_year(number):06d}",
            "Date": stamp(moment),
            "DeletionMark": False,
            "Posted": True,
            "Партнер_Key": self.key(PARTNER, order.customer),
            "Контрагент_Key": self.key(CONTRACTOR, order.customer) if legal else ZERO_GUID,
            "Организация_Key": self._world.ref(ORGANISATION, "ТД"),
            "Валюта_Key": self._roubles,
        }

    def _head(self, entity: str, order: Order, moment: datetime, number: int) -> Row:
        agreement = AGREEMENTS[0 if order.wholesale else 1][0]
        return {
            **self._document(entity, order, moment, number),
            "Соглашение_Key": self._world.ref(AGREEMENT, agreement),
            "Договор_Key": contract_of(self._world, self._customers, order.customer)
            if order.wholesale
            else ZERO_GUID,
            "Склад_Key": self._places[order.place],
            "Менеджер_Key": self._world.ref(USER, "Менеджер Сидоров И. П."),
            "ЦенаВключаетНДС": True,
            "НалогообложениеНДС": "ПродажаОблагаетсяНДС",
            "ХозяйственнаяОперация": "РеализацияКлиенту",
        }

    def _plain_line(self, line: Line) -> Row:
        return {
            "Номенклатура_Key": self._goods.make(line.item),
            "Характеристика_Key": self._keys.key(line.group, line.item, line.variant),
            "Упаковка_Key": ZERO_GUID,
            "КоличествоУпаковок": line.quantity,
            "Количество": line.quantity,
            "Цена": line.price,
            "Сумма": line.amount,
            "СтавкаНДС_Key": self._world.ref(VAT, line.group.kind.vat),
            "СуммаНДС": line.tax,
            "СуммаСНДС": line.amount,
        }

    def _line(self, order: Order, line: Line) -> Row:
        return {
            **self._plain_line(line),
            "ВидЦены_Key": self._world.ref(PRICE_KIND, "Оптовая" if order.wholesale else "Розничная"),
            "Склад_Key": self._places[order.place],
            "ПроцентАвтоматическойСкидки": 10 if line.discount else 0,
            "СуммаАвтоматическойСкидки": line.discount,
            "ИдентификаторСтроки": self._world.guids("line").make(
                order.number * 8 + scramble(line.sku, 5) % 8
            ),
        }

    def _order_line(self, order: Order, line: Line, code: int) -> Row:
        supply = "КОбеспечению" if order.stage in {DRAFT, SUPPLY} else "Отгрузить"
        return {
            **self._line(order, line),
            "КодСтроки": code,
            "КлючСвязи": code,
            "ДатаОтгрузки": _day(ship_moment(order)),
            "ВариантОбеспечения": supply,
            "Отменено": line.cancelled,
            "ПричинаОтмены_Key": self._reason(order) if line.cancelled else ZERO_GUID,
        }

    def _reason(self, order: Order) -> str:
        names = ("Нет в наличии", "Отказ покупателя", "Покупатель не отвечает")
        return self._world.ref(REASON, names[order.chance % 3])

    def _stage(self, order: Order, total: Decimal) -> Row:
        variant = "КредитПослеОтгрузки" if order.wholesale else "ПредоплатаДоОтгрузки"
        return {
            "ВариантОплаты": variant,
            "ВариантОтсчета": "ОтДатыЗаказа",
            "ДатаПлатежа": _day(order.moment),
            "ПроцентПлатежа": 100,
            "СуммаПлатежа": total,
        }


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}T00:00:00"


def _percent(part: Decimal, whole: Decimal) -> int:
    return int(part * 100 / whole) if whole else 0
