"""ВозвратТоваровОтКлиента: goods that customers gave back, by purchase and request (PROTOCOL §11.8).

Name, passport and birthday of the buyer are in the document, too; nobody needs them here, they are not asked for.
"""

from __future__ import annotations

from onec_pipelines.entities.document_parts import (
    DOCUMENT_COLUMNS,
    DOCUMENT_FIELDS,
    GOODS_COLUMNS,
    GOODS_ENTITIES,
    GOODS_FIELDS,
    GOODS_JOINS,
    PARTY_COLUMNS,
    PARTY_ENTITIES,
    PARTY_FIELDS,
    PURCHASE_LINK,
    RETURN_COLUMNS,
    RETURN_FIELDS,
    composite,
)
from onec_pipelines.spec import (
    IS_DELETED,
    Column,
    ColumnType,
    Entity,
    Field,
    Section,
    Source,
    Target,
    ref,
)

LINES = Section(
    name="lines",
    source="Товары",
    fields=(
        *GOODS_FIELDS,
        *composite("sale", "ДокументРеализации"),
        Field(name="is_spoiled", source=("Порча",), type=ColumnType.BOOLEAN, required=False),
    ),
    required=True,
)

RETURNS = Entity(
    name="returns",
    title_ru="Возвраты товаров от клиентов",
    description="Goods taken back: reason, compensation, the purchase and the request.",
    group="sales",
    source=Source(resources=("Document_ВозвратТоваровОтКлиента",), window="date"),
    fields=(
        *DOCUMENT_FIELDS,
        *PARTY_FIELDS,
        *composite("sale", "ДокументРеализации"),
        ref("request_ref", "ЗаявкаНаВозвратТоваровОтКлиента_Key", to="return_requests", required=False),
        *RETURN_FIELDS,
    ),
    sections=(LINES,),
    target=Target(
        table="shop.returns",
        columns=(
            *DOCUMENT_COLUMNS,
            *PARTY_COLUMNS,
            PURCHASE_LINK,
            Column(name="return_request_id", reference="request_ref"),
            *RETURN_COLUMNS,
            IS_DELETED,
        ),
        children=(
            Target(
                table="shop.return_lines",
                section="lines",
                joins=GOODS_JOINS,
                reads=("vat_rates",),
                columns=(
                    *GOODS_COLUMNS,
                    PURCHASE_LINK,
                    Column(name="is_spoiled", copy="is_spoiled"),
                ),
            ),
        ),
    ),
    depends_on=(*PARTY_ENTITIES, *GOODS_ENTITIES, "shipments", "return_requests"),
    optional=True,
)
