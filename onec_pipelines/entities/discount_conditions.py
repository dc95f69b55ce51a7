"""УсловияПредоставленияСкидокНаценок: when a discount is given (sum of a sale, a card, hours of a day) (PROTOCOL §11.4)."""

from __future__ import annotations

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    Section,
    Source,
    Target,
    ref,
)

_TIME = "T((?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2})$"

HOURS = Section(
    name="hours",
    source="ВремяДействия",
    fields=(
        Field(name="weekday", source=("ДеньНедели",), transform="clean_text"),
        Field(
            name="starts",
            source=("ВремяНачала",),
            doc="A time of day: 1C says it on the first day of the calendar",
        ),
        Field(name="ends", source=("ВремяОкончания",)),
    ),
)

DISCOUNT_CONDITIONS = Entity(
    name="discount_conditions",
    title_ru="Условия предоставления скидок (наценок)",
    description="Conditions of discounts: amount or quantity of a sale, loyalty card, form of payment, segment, hours.",
    group="discounts",
    source=Source(resources=("Catalog_УсловияПредоставленияСкидокНаценок",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        ref("parent_ref", "Parent_Key", to="discount_conditions", required=False),
        Field(name="condition", source=("УсловиеПредоставления",), transform="clean_text"),
        Field(name="condition_type", source=("УсловиеПредоставления_Type",), required=False),
        Field(
            name="external_ref",
            source=("УсловиеПредоставления",),
            type=ColumnType.GUID,
            transform="guid_or_null",
        ),
        Field(
            name="limit_value",
            source=("ЗначениеУсловияОграничения",),
            type=ColumnType.DECIMAL,
            required=False,
        ),
        Field(name="comparison", source=("ТипСравнения",), transform="clean_text", required=False),
        Field(
            name="measured_by",
            source=("КритерийОграниченияПримененияЗаОбъемПродаж",),
            transform="clean_text",
            required=False,
        ),
        ref("currency_ref", "ВалютаОграничения_Key", to="currencies", required=False),
        Field(name="payment_form", source=("ФормаОплаты",), transform="clean_text", required=False),
        ref("card_kind_ref", "ВидКартыЛояльности_Key", to="loyalty_card_kinds", required=False),
        ref("customer_segment_ref", "СегментПартнеров_Key", required=False),
        ref("product_segment_ref", "СегментНоменклатурыОграничения_Key", required=False),
    ),
    sections=(HOURS,),
    target=Target(
        table="shop.discount_conditions",
        columns=(
            Column(name="name", copy="name"),
            Column(name="is_folder", sql="coalesce(c.is_folder, false)", inputs=("is_folder",)),
            Column(name="parent_id", reference="parent_ref"),
            Column(
                name="condition",
                sql="CASE WHEN c.external_ref IS NULL THEN c.condition ELSE 'external' END",
                inputs=("condition", "external_ref"),
                doc="1C's own name of the kind of condition; external = a data processor of the base decides",
            ),
            Column(name="limit_value", sql="trim_scale(c.limit_value)", inputs=("limit_value",)),
            Column(name="comparison", copy="comparison"),
            Column(name="measured_by", copy="measured_by"),
            Column(name="currency_id", reference="currency_ref"),
            Column(name="payment_form", copy="payment_form"),
            Column(name="card_kind_id", reference="card_kind_ref"),
            Column(name="customer_segment_ref", copy="customer_segment_ref", doc="GUID of the segment in 1C"),
            Column(name="product_segment_ref", copy="product_segment_ref", doc="GUID of the segment in 1C"),
            IS_DELETED,
        ),
        children=(
            Target(
                table="shop.discount_condition_hours",
                section="hours",
                columns=(
                    Column(name="weekday", copy="weekday"),
                    Column(
                        name="starts", sql=f"substring(c.starts FROM '{_TIME}')::time", inputs=("starts",)
                    ),
                    Column(
                        name="ends",
                        sql=f"substring(c.ends FROM '{_TIME}')::time",
                        inputs=("ends",),
                        doc="00:00 at both ends = the whole day",
                    ),
                ),
            ),
        ),
    ),
    depends_on=("currencies", "loyalty_card_kinds"),
    optional=True,
)
