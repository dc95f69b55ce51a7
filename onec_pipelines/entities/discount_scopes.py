"""ДействиеСкидокНаценок: where a discount is switched on or off, and since when (PROTOCOL §11.4).

Every switching is a row; the latest one before a moment holds at that moment: views `shop.discount_periods`, `shop.active_discounts`.
"""

from __future__ import annotations

from onec_pipelines.spec import Column, ColumnType, Entity, Field, Source, Target, ref

DISCOUNT_SCOPES = Entity(
    name="discount_scopes",
    title_ru="Действие скидок (наценок)",
    description="Discounts switched on and off, by shop, agreement or kind of loyalty card, with the moment.",
    group="discounts",
    source=Source(resources=("InformationRegister_ДействиеСкидокНаценок",), narrow="discount_ref"),
    key=("valid_from", "source_ref", "discount_ref", "source_type"),
    fields=(
        Field(name="valid_from", source=("Period",), type=ColumnType.TIMESTAMP, nullable=False),
        Field(name="source_ref", source=("Источник",), type=ColumnType.GUID, transform="guid_or_null"),
        Field(name="source_type", source=("Источник_Type",)),
        ref("discount_ref", "СкидкаНаценка_Key", to="discounts", nullable=False),
        Field(name="status", source=("Статус",), transform="discount_status", nullable=False),
        ref("customer_segment_ref", "СегментПартнеров_Key", required=False),
    ),
    target=Target(
        table="shop.discount_scopes",
        columns=(
            Column(name="discount_id", reference="discount_ref", required=True),
            Column(
                name="scope",
                sql=(
                    "CASE WHEN c.source_type LIKE '%%.Catalog_Склады' THEN 'warehouse'"
                    " WHEN c.source_type LIKE '%%.Catalog_СоглашенияСКлиентами' THEN 'agreement'"
                    " WHEN c.source_type LIKE '%%.Catalog_ВидыКартЛояльности' THEN 'card_kind'"
                    " WHEN c.source_ref IS NULL THEN 'everywhere' ELSE 'other' END"
                ),
                inputs=("source_type", "source_ref"),
            ),
            Column(
                name="warehouse_id",
                reference="source_ref",
                entity="warehouses",
                when="c.source_type LIKE '%%.Catalog_Склады'",
            ),
            Column(
                name="agreement_id",
                reference="source_ref",
                entity="agreements",
                when="c.source_type LIKE '%%.Catalog_СоглашенияСКлиентами'",
            ),
            Column(
                name="card_kind_id",
                reference="source_ref",
                entity="loyalty_card_kinds",
                when="c.source_type LIKE '%%.Catalog_ВидыКартЛояльности'",
            ),
            Column(name="source_ref", copy="source_ref", doc="GUID in 1C of where it is switched on"),
            Column(name="customer_segment_ref", copy="customer_segment_ref", doc="GUID of the segment in 1C"),
            Column(name="status", copy="status", doc="active or inactive"),
            Column(name="valid_from", copy="valid_from"),
            Column(name="is_deleted", sql="c.deleted_at IS NOT NULL"),
        ),
    ),
    depends_on=("discounts", "warehouses", "agreements", "loyalty_card_kinds"),
    has_ids=False,
    optional=True,
)
