"""СоглашенияСКлиентами: the terms of sale, common ones and those of single customers (PROTOCOL §11.7)."""

from __future__ import annotations

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    Source,
    Target,
    ref,
)

AGREEMENTS = Entity(
    name="agreements",
    title_ru="Соглашения с клиентами",
    description="Terms of sale: price list, currency, VAT; common to many customers or of one.",
    group="dictionaries",
    source=Source(resources=("Catalog_СоглашенияСКлиентами",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="number", source=("Номер",), transform="strip", required=False),
        Field(name="is_common", source=("Типовое",), type=ColumnType.BOOLEAN, required=False),
        Field(name="is_approved", source=("Согласован",), type=ColumnType.BOOLEAN, required=False),
        ref("customer_ref", "Партнер_Key", to="customers", required=False),
        ref("organization_ref", "Организация_Key", to="organizations", required=False),
        ref("price_type_ref", "ВидЦен_Key", to="price_types", required=False),
        ref("currency_ref", "Валюта_Key", to="currencies", required=False),
        Field(
            name="price_includes_vat", source=("ЦенаВключаетНДС",), type=ColumnType.BOOLEAN, required=False
        ),
        Field(name="payment_form", source=("ФормаОплаты",), transform="payment_form", required=False),
        Field(name="valid_from", source=("ДатаНачалаДействия",), type=ColumnType.TIMESTAMP, required=False),
        Field(
            name="valid_until", source=("ДатаОкончанияДействия",), type=ColumnType.TIMESTAMP, required=False
        ),
    ),
    target=Target(
        table="shop.agreements",
        columns=(
            Column(name="name", copy="name"),
            Column(name="number", copy="number"),
            Column(name="is_common", copy="is_common", doc="Типовое: for many customers"),
            Column(name="is_approved", copy="is_approved"),
            Column(name="customer_id", reference="customer_ref", doc="NULL for common terms"),
            Column(name="organization_id", reference="organization_ref"),
            Column(name="price_type_id", reference="price_type_ref"),
            Column(name="currency_id", reference="currency_ref"),
            Column(name="price_includes_vat", copy="price_includes_vat"),
            Column(name="payment_form", copy="payment_form"),
            Column(name="valid_from", copy="valid_from"),
            Column(name="valid_until", copy="valid_until", doc="NULL = without an end"),
            IS_DELETED,
        ),
    ),
    depends_on=("customers", "organizations", "price_types", "currencies"),
    optional=True,
)
