"""ЗаявкаНаВозвратТоваровОтКлиента: what customers want to give back, and what became of it (PROTOCOL §11.8).

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
from onec_pipelines.spec import IS_DELETED, Column, ColumnType, Entity, Field, Section, Source, Target

LINES = Section(
    name="lines",
    source="ВозвращаемыеТовары",
    fields=(
        *GOODS_FIELDS,
        *composite("sale", "ДокументРеализации"),
        Field(name="is_cancelled", source=("Отменено",), type=ColumnType.BOOLEAN, required=False),
        Field(name="is_spoiled", source=("Порча",), type=ColumnType.BOOLEAN, required=False),
    ),
    required=True,
)

RETURN_REQUESTS = Entity(
    name="return_requests",
    title_ru="Заявки на возврат товаров от клиентов",
    description="Requests of customers to give goods back: status, reason, compensation, the purchase.",
    group="sales",
    source=Source(resources=("Document_ЗаявкаНаВозвратТоваровОтКлиента",), window="date"),
    fields=(
        *DOCUMENT_FIELDS,
        *PARTY_FIELDS,
        *composite("sale", "ДокументРеализации"),
        Field(name="status", source=("Статус",), transform="return_request_status"),
        Field(name="is_approved", source=("Согласован",), type=ColumnType.BOOLEAN, required=False),
        *RETURN_FIELDS,
    ),
    sections=(LINES,),
    target=Target(
        table="shop.return_requests",
        columns=(
            *DOCUMENT_COLUMNS,
            *PARTY_COLUMNS,
            PURCHASE_LINK,
            Column(name="status", copy="status"),
            Column(name="is_approved", copy="is_approved"),
            *RETURN_COLUMNS,
            IS_DELETED,
        ),
        children=(
            Target(
                table="shop.return_request_lines",
                section="lines",
                joins=GOODS_JOINS,
                reads=("vat_rates",),
                columns=(
                    *GOODS_COLUMNS,
                    PURCHASE_LINK,
                    Column(name="is_cancelled", copy="is_cancelled"),
                    Column(name="is_spoiled", copy="is_spoiled"),
                ),
            ),
        ),
    ),
    depends_on=(*PARTY_ENTITIES, *GOODS_ENTITIES, "shipments"),
    optional=True,
)
