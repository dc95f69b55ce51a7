"""СкидкиНаценки: discounts and special offers as a tree: a folder says how those in it work together (PROTOCOL §11.4).

How a discount is given is a composite value: a member of an enumeration, or a catalog's data processor (`external`). When
and where it is switched on stands in `discount_scopes`.
"""

from __future__ import annotations

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    RowRule,
    Section,
    Source,
    Target,
    ref,
)

CONDITION_ROWS = Section(
    name="conditions",
    source="УсловияПредоставления",
    fields=(ref("condition_ref", "УсловиеПредоставления_Key", to="discount_conditions"),),
)
PRICE_GROUP_ROWS = Section(
    name="price_groups",
    source="ЦеновыеГруппы",
    fields=(
        ref("price_group_ref", "ЦеноваяГруппа_Key", to="price_groups"),
        Field(name="value", source=("ЗначениеСкидкиНаценки",), type=ColumnType.DECIMAL),
    ),
)

DISCOUNTS = Entity(
    name="discounts",
    title_ru="Скидки (наценки)",
    description="Discounts, markups and special offers: how much, in which way, on which conditions.",
    group="discounts",
    source=Source(resources=("Catalog_СкидкиНаценки",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        ref("parent_ref", "Parent_Key", to="discounts", required=False),
        Field(name="method", source=("СпособПредоставления",), transform="discount_method"),
        Field(name="method_type", source=("СпособПредоставления_Type",), required=False),
        Field(
            name="method_ref",
            source=("СпособПредоставления",),
            type=ColumnType.GUID,
            transform="guid_or_null",
        ),
        Field(name="value", source=("ЗначениеСкидкиНаценки",), type=ColumnType.DECIMAL),
        ref("currency_ref", "ВалютаПредоставления_Key", to="currencies", required=False),
        ref("price_type_ref", "ВидЦены_Key", to="price_types", required=False),
        Field(
            name="combination",
            source=("ВариантСовместногоПрименения",),
            transform="clean_text",
            required=False,
        ),
        Field(
            name="sort_order", source=("РеквизитДопУпорядочивания",), type=ColumnType.INTEGER, required=False
        ),
        Field(name="is_manual", source=("Управляемая",), type=ColumnType.BOOLEAN, required=False),
        Field(name="message", source=("ТекстСообщения",), transform="clean_long_text", required=False),
        ref("card_kind_ref", "ВидКартыЛояльности_Key", to="loyalty_card_kinds", required=False),
        ref("program_ref", "БонуснаяПрограммаЛояльности_Key", to="loyalty_programs", required=False),
        Field(
            name="product_choice",
            source=("ВариантОтбораНоменклатуры",),
            transform="clean_text",
            required=False,
        ),
        ref("product_segment_ref", "СегментНоменклатурыОграничения_Key", required=False),
        ref("gift_segment_ref", "СегментПодарков_Key", required=False),
        Field(
            name="quantity", source=("УсловиеДляСкидкиКоличеством",), type=ColumnType.DECIMAL, required=False
        ),
    ),
    sections=(CONDITION_ROWS, PRICE_GROUP_ROWS),
    rules=(
        RowRule(
            name="percent_at_most_100",
            function="percent_at_most_100",
            columns=("method", "value"),
            reason="a discount of more than 100 % would pay the customer",
        ),
    ),
    target=Target(
        table="shop.discounts",
        columns=(
            Column(name="name", copy="name"),
            Column(name="is_folder", sql="coalesce(c.is_folder, false)", inputs=("is_folder",)),
            Column(name="parent_id", reference="parent_ref"),
            Column(
                name="method",
                sql="CASE WHEN c.method_ref IS NULL THEN c.method ELSE 'external' END",
                inputs=("method", "method_ref"),
                doc="percent, amount, gift…; external = a data processor of the base; NULL for folders",
            ),
            Column(
                name="value",
                sql="trim_scale(c.value)",
                inputs=("value",),
                doc="Percent or amount; negative = a markup",
            ),
            Column(name="currency_id", reference="currency_ref"),
            Column(name="price_type_id", reference="price_type_ref"),
            Column(
                name="combination", copy="combination", doc="Of a folder: how the discounts in it combine"
            ),
            Column(name="sort_order", copy="sort_order"),
            Column(name="is_manual", sql="coalesce(c.is_manual, false)", inputs=("is_manual",)),
            Column(name="message", copy="message"),
            Column(name="card_kind_id", reference="card_kind_ref"),
            Column(name="program_id", reference="program_ref"),
            Column(name="product_choice", copy="product_choice"),
            Column(name="product_segment_ref", copy="product_segment_ref", doc="GUID of the segment in 1C"),
            Column(name="gift_segment_ref", copy="gift_segment_ref", doc="GUID of the segment in 1C"),
            Column(name="quantity", sql="trim_scale(c.quantity)", inputs=("quantity",)),
            IS_DELETED,
        ),
        children=(
            Target(
                table="shop.discount_condition_rows",
                section="conditions",
                columns=(Column(name="condition_id", reference="condition_ref", required=True),),
            ),
            Target(
                table="shop.discount_price_groups",
                section="price_groups",
                columns=(
                    Column(name="price_group_id", reference="price_group_ref", required=True),
                    Column(
                        name="value",
                        sql="trim_scale(c.value)",
                        inputs=("value",),
                        doc="Overrides the discount's own value for the group",
                    ),
                ),
            ),
        ),
    ),
    depends_on=(
        "currencies",
        "price_types",
        "loyalty_programs",
        "loyalty_card_kinds",
        "price_groups",
        "discount_conditions",
    ),
    optional=True,
)
