"""The $metadata of every release of UT that the simulator knows, and an order as the push reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.ledger.web_orders import WebLine, WebOrder
from onec_pipelines.simulator.releases import RELEASES, shape_of
from onec_pipelines.steps.push.defaults import Defaults
from onec_pipelines.steps.push.order_facts import Parties, order_facts
from onec_pipelines_tests.fixtures.schemas import metadata_of

ZONE = ZoneInfo("Europe/Moscow")
SECRET = bytes(range(32))
KEYS = [UUID(f"00000000-0000-4000-8000-{number:012d}") for number in range(1, 40)]


@cache
def metadata(release):
    return metadata_of(shape_of(release))


@pytest.fixture(params=RELEASES)
def any_release(request):
    return metadata(request.param)


@pytest.fixture
def release():
    return metadata("11.5.20")


@pytest.fixture
def defaults():
    words = {
        "status": "НеСогласован",
        "operation": "РеализацияКлиенту",
        "taxation": "ПродажаОблагаетсяНДС",
        "supply": "to_supply",
        "settlement": "ПоЗаказам",
        "prefix": "SITE-",
        "posting": "on",
        "price_includes_vat": "",
        "return_operation": "ВозвратТоваровОтКлиента",
        "return_status": "НеСогласована",
    }
    refs = {"organization": str(KEYS[0]), "agreement": str(KEYS[1]), "cancel_reason": str(KEYS[2])}
    return Defaults(refs=refs, words=words)


LINE = WebLine(
    line_code=1,
    product_id=5,
    product_ref=KEYS[5],
    product_name="Чайник",
    product_gone=False,
    variant_id=None,
    variant_ref=None,
    package_id=None,
    package_ref=None,
    numerator=Decimal(1),
    denominator=Decimal(1),
    quantity=Decimal(2),
    price=Decimal("995.00"),
    discount_percent=Decimal(0),
    discount_amount=None,
    bonus_points=Decimal(0),
    bonus_amount=Decimal(0),
    vat_ref=KEYS[6],
    vat_code="НДС18",
    vat_percent=Decimal(20),
    warehouse_id=None,
    warehouse_ref=None,
    is_cancelled=False,
    cancel_reason=None,
)
ORDER = WebOrder(
    id=7,
    version=1,
    store="main",
    number="1001",
    status="placed",
    customer_id=3,
    counterparty_id=None,
    counterparty_ref=None,
    placed_at=datetime(2026, 6, 2, 11, 36, 52, tzinfo=UTC),
    currency="RUB",
    currency_ref=KEYS[7],
    price_type_id=None,
    price_type_ref=None,
    price_includes_vat=None,
    warehouse_id=None,
    warehouse_ref=None,
    payment_method="card_online",
    delivery_method="courier",
    delivery_address="119019, Москва, Арбат, 1",
    delivery_date=None,
    delivery_from=None,
    delivery_to=None,
    delivery_comment=None,
    contact_name=None,
    contact_phone=None,
    contact_email=None,
    comment="Позвонить",
    loyalty_card_id=None,
    loyalty_card_ref=None,
    total=Decimal("1990.00"),
    lines=(LINE,),
)


@pytest.fixture
def order():
    return ORDER


@pytest.fixture
def facts_of(defaults):
    """Facts of the order, with changes of its header and of its only line."""

    def facts(*, line=None, includes_vat=True, **header):
        changed = replace(ORDER, **header)
        if line is not None:
            changed = replace(changed, lines=(replace(LINE, **line),))
        parties = Parties(partner=str(KEYS[8]), counterparty=str(KEYS[9]))
        return order_facts(changed, defaults, parties, includes_vat=includes_vat)

    return facts
