"""Номенклатура: the products of the shop with their additional attributes (PROTOCOL §11.2)."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    Limit,
    Measure,
    NaturalKey,
    Section,
    Source,
    Target,
    Way,
    ref,
)

ATTRIBUTE_ROWS = Section(
    name="attributes",
    source="ДополнительныеРеквизиты",
    fields=(
        ref("attribute_ref", "Свойство_Key", to="attributes"),
        Field(name="value", source=("Значение",)),
        Field(name="value_type", source=("Значение_Type",)),
        Field(name="value_ref", source=("Значение",), type=ColumnType.GUID, transform="guid_or_null"),
        Field(name="long_text", source=("ТекстоваяСтрока",), required=False),
    ),
)

ATTRIBUTE_COLUMNS = (
    Column(name="attribute_id", reference="attribute_ref", required=True),
    Column(
        name="value_id",
        reference="value_ref",
        entity="attribute_values",
        when="c.value_type LIKE '%%.Catalog_ЗначенияСвойствОбъектов'",
    ),
    Column(
        name="value",
        sql="coalesce(c.long_text, CASE WHEN c.value_ref IS NULL THEN c.value ELSE v.name END)",
        inputs=("value", "long_text"),
        doc="The text of the value; a list value gives its name",
    ),
)

PRODUCTS = Entity(
    name="products",
    title_ru="Номенклатура (товары)",
    description="Products with names, units, VAT, brand, weight and additional attributes.",
    group="catalog",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_Номенклатура",), only=("IsFolder", False)),
    fields=(
        *OBJECT_FIELDS,
        ref("category_ref", "Parent_Key", to="categories"),
        Field(name="code", source=("Code",), transform="strip", required=False, max_length=11),
        Field(name="name", source=("Description",), transform="clean_text", nullable=False, max_length=100),
        Field(
            name="full_name",
            source=("НаименованиеПолное",),
            transform="clean_text",
            required=False,
            max_length=1024,
        ),
        Field(name="sku", source=("Артикул",), transform="clean_text", max_length=50),
        Field(name="description", source=("Описание",), transform="clean_long_text", required=False),
        ref("kind_ref", "ВидНоменклатуры_Key", to="product_kinds"),
        Field(name="product_type", source=("ТипНоменклатуры",), transform="product_type", nullable=False),
        ref("unit_ref", "ЕдиницаИзмерения_Key", to="units"),
        ref("vat_rate_ref", "СтавкаНДС_Key", to="vat_rates", required=False),
        Field(name="vat_rate_code", source=("СтавкаНДС",), transform="strip", required=False),
        ref("brand_ref", "Марка_Key", to="brands", required=False),
        ref("manufacturer_ref", "Производитель_Key", to="manufacturers", required=False),
        ref("price_group_ref", "ЦеноваяГруппа_Key", to="price_groups", required=False),
        Field(
            name="variant_policy",
            source=("ИспользованиеХарактеристик",),
            transform="variant_policy",
            required=False,
        ),
        Field(
            name="weight_numerator",
            source=("ВесЧислитель",),
            type=ColumnType.DECIMAL,
            minimum=Decimal(0),
            required=False,
        ),
        Field(
            name="weight_denominator",
            source=("ВесЗнаменатель",),
            type=ColumnType.DECIMAL,
            minimum=Decimal(0),
            required=False,
        ),
        ref("weight_unit_ref", "ВесЕдиницаИзмерения_Key", to="units", required=False),
        ref("picture_ref", "ФайлКартинки_Key", required=False),
    ),
    sections=(ATTRIBUTE_ROWS,),
    any_of=(("vat_rate_ref", "vat_rate_code"),),
    target=Target(
        table="shop.products",
        natural_keys=(NaturalKey(columns=("sku",)),),
        joins=(
            "LEFT JOIN clean.units wu ON wu.system_name = c.system_name AND wu.row_key = c.weight_unit_ref"
            " LEFT JOIN clean.vat_rates vr ON vr.system_name = c.system_name AND vr.row_key = c.vat_rate_ref"
            " LEFT JOIN integ.external_id_mappings pg ON pg.system_name = c.system_name"
            " AND pg.entity_type = 'price_groups' AND pg.external_id = c.price_group_ref"
        ),
        reads=("units", "vat_rates", "price_groups"),
        columns=(
            Column(name="category_id", reference="category_ref"),
            Column(name="code", copy="code"),
            Column(name="sku", copy="sku"),
            Column(name="name", copy="name"),
            Column(name="full_name", copy="full_name"),
            Column(name="description", copy="description"),
            Column(name="kind_id", reference="kind_ref"),
            Column(name="product_type", copy="product_type"),
            Column(name="unit_id", reference="unit_ref"),
            Column(name="vat_rate_id", reference="vat_rate_ref"),
            Column(
                name="vat_percent",
                sql="coalesce(vr.percent, integ.vat_percent(coalesce(vr.code, c.vat_rate_code)))",
                inputs=("vat_rate_ref", "vat_rate_code"),
                doc="NULL = without VAT (БезНДС) or unknown; 0 is the zero rate",
            ),
            Column(name="brand_id", reference="brand_ref"),
            Column(name="manufacturer_id", reference="manufacturer_ref"),
            Column(
                name="price_group_id",
                # Not a reference that is waited for: many bases do not publish the groups.
                sql="pg.internal_id",
                inputs=("price_group_ref",),
                doc="For which discounts are given; NULL when price_groups is not published",
            ),
            Column(name="variant_policy", copy="variant_policy"),
            Column(
                name="weight_kg",
                sql=(
                    "round(nullif(least(c.weight_numerator / nullif(c.weight_denominator, 0)"
                    " * integ.okei_factor(wu.okei_code, 'kg'), 999999999), 999999999), 6)"
                ),
                inputs=("weight_numerator", "weight_denominator", "weight_unit_ref"),
                doc="NULL when the weight is unset, absurd, or its unit is not a mass of OKEI",
            ),
            IS_DELETED,
        ),
        children=(
            Target(
                table="shop.product_attributes",
                section="attributes",
                joins=(
                    "LEFT JOIN clean.attribute_values v ON v.system_name = c.system_name AND v.row_key = c.value_ref"
                ),
                reads=("attribute_values",),
                columns=ATTRIBUTE_COLUMNS,
            ),
        ),
    ),
    limits=(Limit(name="category_emptied", measure=Measure.EMPTIED, column="category_id", rows=10),),
    depends_on=(
        "price_groups",
        "categories",
        "product_kinds",
        "units",
        "vat_rates",
        "brands",
        "manufacturers",
        "attributes",
        "attribute_values",
    ),
)
