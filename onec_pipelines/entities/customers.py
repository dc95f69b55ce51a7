"""Партнеры: the people and companies that the shop deals with (PROTOCOL §11.6). Personal data is marked.

All partners come, not only clients: orders and counterparties point to them whatever their flags say, and a flag may be
set later. `is_client` is a column.
"""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.entities.contact_rows import contact_target, contacts
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
    Source,
    Target,
    Way,
    ref,
)


def _best(contact_type: str, values: str) -> str:
    """SQL of the first understood value of the customer's own lines of a type."""
    return (
        f"(SELECT split_part({values}, ' ', 1) FROM clean.customers_contacts k"  # noqa: S608 - our own words
        " WHERE k.system_name = c.system_name AND k.owner_key = c.row_key"
        f" AND k.contact_type = '{contact_type}' AND {values} IS NOT NULL ORDER BY k.line_number LIMIT 1)"
    )


CUSTOMERS = Entity(
    name="customers",
    title_ru="Партнеры (клиенты)",
    description="Customers and other partners, with contact information as typed and as understood.",
    group="customers",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_Партнеры",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False, pii=True),
        Field(
            name="full_name", source=("НаименованиеПолное",), transform="clean_text", required=False, pii=True
        ),
        Field(name="code", source=("Code",), transform="strip", required=False, max_length=11),
        ref("parent_ref", "Parent_Key", to="customers", required=False),
        Field(name="legal_form", source=("ЮрФизЛицо",), transform="partner_form"),
        Field(name="is_client", source=("Клиент",), type=ColumnType.BOOLEAN),
        Field(name="is_supplier", source=("Поставщик",), type=ColumnType.BOOLEAN, required=False),
        Field(name="sex", source=("Пол",), transform="sex", required=False, pii=True),
        Field(name="birth_date", source=("ДатаРождения",), transform="date_only", required=False, pii=True),
        Field(name="registered_on", source=("ДатаРегистрации",), transform="date_only", required=False),
        ref("price_type_ref", "ВидЦен_Key", to="price_types", required=False),
        ref("manager_ref", "ОсновнойМенеджер_Key", required=False),
        ref("access_group_ref", "ГруппаДоступа_Key", required=False),
    ),
    sections=(contacts(),),
    target=Target(
        table="shop.customers",
        natural_keys=(NaturalKey(columns=("email",)), NaturalKey(columns=("phone",), digits=True)),
        columns=(
            Column(name="code", copy="code"),
            Column(name="name", copy="name"),
            Column(name="full_name", copy="full_name"),
            Column(
                name="parent_id",
                reference="parent_ref",
                when="c.parent_ref <> c.ref",
                doc="The company to which a branch belongs; NULL for one that names itself",
            ),
            Column(name="legal_form", copy="legal_form", doc="company or person"),
            Column(name="is_client", sql="coalesce(c.is_client, false)", inputs=("is_client",)),
            Column(name="is_supplier", sql="coalesce(c.is_supplier, false)", inputs=("is_supplier",)),
            Column(name="sex", copy="sex"),
            Column(
                name="birth_date",
                sql="CASE WHEN c.birth_date BETWEEN '1900-01-01' AND to_char(c.changed_at, 'YYYY-MM-DD')"
                " THEN c.birth_date::date END",
                inputs=("birth_date",),
                doc="NULL for dates at which nobody alive was born; clean keeps what 1C says",
            ),
            Column(name="registered_on", sql="c.registered_on::date", inputs=("registered_on",)),
            Column(name="price_type_id", reference="price_type_ref"),
            Column(name="manager_ref", copy="manager_ref", doc="GUID of the user in 1C"),
            Column(name="access_group_ref", copy="access_group_ref", doc="GUID of the access group in 1C"),
            Column(
                name="email",
                sql=_best("email", "coalesce(k.text_emails, k.column_emails)"),
                doc="The first understood e-mail of the contacts section, in lower case",
            ),
            Column(
                name="phone",
                sql=_best("phone", "coalesce(k.text_phones, k.column_phones)"),
                doc="The first understood telephone number of the contacts section, E.164",
            ),
            IS_DELETED,
        ),
        children=(contact_target("shop.customer_contacts"),),
    ),
    limits=(Limit(name="customers_vanished", measure=Measure.DELETED, share=Decimal("0.05"), rows=10),),
    depends_on=("price_types", "contact_kinds"),
)
