"""What the sales documents have in common: head fields, goods lines, and how both go to the shop. No entity of its own."""

from __future__ import annotations

from onec_pipelines.spec import OBJECT_FIELDS, Column, ColumnType, Field, ref

DOCUMENT_FIELDS: tuple[Field, ...] = (
    *OBJECT_FIELDS,
    Field(name="number", source=("Number",), transform="strip", doc="Starts anew every year: not unique"),
    Field(name="date", source=("Date",), type=ColumnType.TIMESTAMP, nullable=False),
    Field(name="is_posted", source=("Posted",), type=ColumnType.BOOLEAN, nullable=False),
)
"""What every document has (PROTOCOL §11.7)."""

DOCUMENT_COLUMNS: tuple[Column, ...] = (
    Column(name="number", copy="number"),
    Column(name="date", copy="date"),
    Column(name="is_posted", copy="is_posted"),
)


def money(name: str, *source: str, required: bool = True) -> Field:
    """Field of an amount or a quantity. 1C's own type bounds it; a refused line would cost the whole document."""
    return Field(name=name, source=source, type=ColumnType.DECIMAL, required=required)


def exact(name: str, *, doc: str = "") -> Column:
    """Column with the exact number of the clean column of this name, without zeros at its end."""
    return Column(name=name, sql=f"trim_scale(c.{name})", inputs=(name,), doc=doc)


PARTY_FIELDS: tuple[Field, ...] = (
    ref("customer_ref", "Партнер_Key", to="customers"),
    ref("counterparty_ref", "Контрагент_Key", to="counterparties", required=False),
    ref("organization_ref", "Организация_Key", to="organizations", required=False),
    ref("agreement_ref", "Соглашение_Key", to="agreements", required=False),
    ref("warehouse_ref", "Склад_Key", to="warehouses", required=False),
    ref("currency_ref", "Валюта_Key", to="currencies", required=False),
    money("amount", "СуммаДокумента"),
    Field(name="price_includes_vat", source=("ЦенаВключаетНДС",), type=ColumnType.BOOLEAN, required=False),
    Field(name="comment", source=("Комментарий",), transform="clean_long_text", required=False, pii=True),
)
"""Who sells what to whom, for how much."""

PARTY_COLUMNS: tuple[Column, ...] = (
    Column(name="customer_id", reference="customer_ref"),
    Column(name="counterparty_id", reference="counterparty_ref"),
    Column(name="organization_id", reference="organization_ref"),
    Column(name="agreement_id", reference="agreement_ref"),
    Column(name="warehouse_id", reference="warehouse_ref"),
    Column(name="currency_id", reference="currency_ref"),
    exact("amount"),
    Column(name="price_includes_vat", copy="price_includes_vat"),
    Column(name="comment", copy="comment"),
)

GOODS_FIELDS: tuple[Field, ...] = (
    ref("product_ref", "Номенклатура_Key", to="products"),
    ref("variant_ref", "Характеристика_Key", to="variants", required=False),
    ref("package_ref", "Упаковка_Key", to="units", required=False),
    Field(
        name="line_code",
        source=("КодСтроки",),
        type=ColumnType.INTEGER,
        required=False,
        doc="Stable number of the line within its order; the shipment of the line repeats it",
    ),
    money("quantity", "Количество"),
    money("package_quantity", "КоличествоУпаковок", required=False),
    money("price", "Цена"),
    money("amount", "Сумма"),
    ref("vat_rate_ref", "СтавкаНДС_Key", to="vat_rates", required=False),
    Field(name="vat_rate_code", source=("СтавкаНДС",), transform="strip", required=False),
    money("vat_amount", "СуммаНДС", required=False),
    money("amount_with_vat", "СуммаСНДС", required=False),
)
"""A line with goods (PROTOCOL §11.7)."""

GOODS_COLUMNS: tuple[Column, ...] = (
    Column(
        name="product_id",
        reference="product_ref",
        doc="NULL until the product is known: a line is never left out",
    ),
    Column(name="variant_id", reference="variant_ref"),
    Column(name="package_id", reference="package_ref", doc="NULL = the unit in which the product is stored"),
    Column(name="line_code", copy="line_code"),
    exact("quantity"),
    exact("package_quantity"),
    exact("price"),
    exact("amount"),
    Column(
        name="vat_percent",
        sql="coalesce(vr.percent, integ.vat_percent(coalesce(vr.code, c.vat_rate_code)))",
        inputs=("vat_rate_ref", "vat_rate_code"),
        doc="NULL = without VAT (БезНДС) or unknown; 0 is the zero rate",
    ),
    exact("vat_amount"),
    exact("amount_with_vat"),
)

GOODS_JOINS = "LEFT JOIN clean.vat_rates vr ON vr.system_name = c.system_name AND vr.row_key = c.vat_rate_ref"
"""What `GOODS_COLUMNS` needs beside the line; its target `reads` vat_rates."""

DISCOUNT_FIELDS: tuple[Field, ...] = (
    ref("price_type_ref", "ВидЦены_Key", to="price_types", required=False),
    money("manual_discount_percent", "ПроцентРучнойСкидки", required=False),
    money("manual_discount", "СуммаРучнойСкидки", required=False),
    money("auto_discount_percent", "ПроцентАвтоматическойСкидки", required=False),
    money("auto_discount", "СуммаАвтоматическойСкидки", required=False),
    money("bonus_amount", "СуммаБонусныхБалловКСписаниюВВалюте", required=False),
    ref("warehouse_ref", "Склад_Key", to="warehouses", required=False),
    Field(
        name="line_guid",
        source=("ИдентификаторСтроки",),
        transform="strip",
        required=False,
        doc="Text that identifies the line in all documents of the chain",
    ),
)
"""How the price of a sold line came about, and where the goods are."""

DISCOUNT_COLUMNS: tuple[Column, ...] = (
    Column(name="price_type_id", reference="price_type_ref"),
    exact("manual_discount_percent"),
    exact("manual_discount"),
    exact("auto_discount_percent"),
    exact("auto_discount"),
    exact("bonus_amount", doc="Paid with bonus points, in the document's currency"),
    Column(name="warehouse_id", reference="warehouse_ref"),
    Column(name="line_guid", copy="line_guid"),
)


def composite(name: str, wire: str) -> tuple[Field, Field]:
    """The two fields of a reference that may point to several kinds of objects (PROTOCOL §1.5): `…_ref` and `…_type`."""
    return (
        Field(
            name=f"{name}_ref",
            source=(wire,),
            type=ColumnType.GUID,
            transform="guid_or_null",
            required=False,
        ),
        Field(name=f"{name}_type", source=(f"{wire}_Type",), required=False),
    )


def link(column: str, name: str, *, to: str, kind: str) -> Column:
    """Column with our id of what a composite reference points to, when it is of this kind of document."""
    return Column(
        name=column,
        reference=f"{name}_ref",
        entity=to,
        when=f"c.{name}_type LIKE '%%.Document_{kind}'",
    )


PURCHASE_LINK = link("purchase_id", "sale", to="shipments", kind="РеализацияТоваровУслуг")
"""The shipment that a return, or a line of it, takes back: needs the fields `composite("sale", …)`."""

RETURN_FIELDS: tuple[Field, ...] = (
    Field(name="reason", source=("ПричинаВозврата",), transform="clean_text", required=False, pii=True),
    Field(name="compensation", source=("СпособКомпенсации",), transform="compensation", required=False),
)
"""Why goods come back, and what the customer gets for them."""

RETURN_COLUMNS: tuple[Column, ...] = (
    Column(name="reason", copy="reason"),
    Column(name="compensation", copy="compensation"),
)

PARTY_ENTITIES = ("customers", "counterparties", "organizations", "agreements", "warehouses", "currencies")
"""What `PARTY_COLUMNS` points to."""

GOODS_ENTITIES = ("products", "variants", "units", "vat_rates")
"""What `GOODS_COLUMNS` points to and reads."""
