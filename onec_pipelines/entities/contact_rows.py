"""КонтактнаяИнформация of partners and counterparties: its section and the shop columns made of it (PROTOCOL §11.6). No entity.

What a person typed stays as it is in `presentation`; `value` is what we make of it. A text of which nothing can be made is kept with
`is_valid = false`, because a customer with a bad telephone number is still a customer.
"""

from __future__ import annotations

from onec_pipelines.spec import Column, Field, Section, Target, ref

FIELDS = (
    Field(name="contact_type", source=("Тип",), transform="contact_type"),
    ref("kind_ref", "Вид_Key"),
    Field(name="presentation", source=("Представление",), transform="clean_text", pii=True),
    Field(name="email", source=("АдресЭП",), transform="clean_text", pii=True),
    Field(name="phone", source=("НомерТелефона",), transform="clean_text", pii=True),
    Field(name="country", source=("Страна",), transform="clean_text"),
    Field(name="region", source=("Регион",), transform="clean_text", pii=True),
    Field(name="city", source=("Город",), transform="clean_text", pii=True),
    Field(name="text_emails", source=("Представление",), transform="emails", pii=True),
    Field(name="column_emails", source=("АдресЭП",), transform="emails", pii=True),
    Field(name="text_phones", source=("Представление",), transform="phones", pii=True),
    Field(name="column_phones", source=("НомерТелефона",), transform="phones", pii=True),
    Field(name="extension", source=("Представление",), transform="phone_extension", pii=True),
    Field(name="address", source=("Значение",), transform="address_parts", pii=True, required=False),
    Field(
        name="address_fields",
        source=("ЗначенияПолей",),
        transform="address_parts",
        pii=True,
        required=False,
        doc="Addresses that were entered in UT 11.4 and before",
    ),
)
VALID_FROM = Field(
    name="valid_from",
    source=("ДействуетС",),
    transform="date_only",
    required=False,
    doc="Counterparties keep the history of their addresses",
)

VALUES = (
    "CASE WHEN c.contact_type = 'email' THEN coalesce(c.text_emails, c.column_emails)"
    " WHEN c.contact_type IN ('phone', 'fax') THEN coalesce(c.text_phones, c.column_phones) END"
)
"""All that was understood of a line, separated by spaces."""


def contacts(*more: Field) -> Section:
    """The section; `more` are fields that only one of the catalogs has."""
    return Section(name="contacts", source="КонтактнаяИнформация", fields=(*FIELDS, *more))


def contact_target(table: str, *more: Column) -> Target:
    """The shop table that the section fills."""
    return Target(
        table=table,
        section="contacts",
        joins="LEFT JOIN clean.contact_kinds ck ON ck.system_name = c.system_name AND ck.row_key = c.kind_ref",
        reads=("contact_kinds",),
        columns=(*_COLUMNS, *more),
    )


def _part(name: str, column: str | None = None) -> Column:
    """A part of an address: from the column that 1C fills, else from its JSON, else from its XML."""
    kept = ", ".join(f"c.{one}::jsonb ->> '{name}'" for one in ("address", "address_fields"))
    return Column(
        name=name,
        sql=f"coalesce(c.{column}, {kept})" if column else f"coalesce({kept})",
        inputs=(*((column,) if column else ()), "address", "address_fields"),
    )


_COLUMNS = (
    Column(
        name="contact_type", copy="contact_type", doc="email, phone, fax, address, web_page, skype, other"
    ),
    Column(name="kind", sql="ck.name", inputs=("kind_ref",), doc="1C's own name of the kind"),
    Column(name="presentation", copy="presentation", doc="As it was typed"),
    Column(
        name="value",
        sql=f"split_part({VALUES}, ' ', 1)",
        inputs=("contact_type", "text_emails", "column_emails", "text_phones", "column_phones"),
        doc="E-mail in lower case, telephone and fax as E.164; NULL when nothing could be made of the text",
    ),
    Column(
        name="more_values",
        sql=f"nullif(substr({VALUES}, strpos({VALUES} || ' ', ' ') + 1), '')",
        inputs=("contact_type", "text_emails", "column_emails", "text_phones", "column_phones"),
        doc="Further ones of the same line, separated by spaces",
    ),
    Column(
        name="extension",
        sql="CASE WHEN c.contact_type IN ('phone', 'fax') THEN c.extension END",
        inputs=("contact_type", "extension"),
    ),
    Column(
        name="is_valid",
        sql=f"CASE WHEN c.contact_type IN ('email', 'phone', 'fax') THEN ({VALUES}) IS NOT NULL END",
        inputs=("contact_type", "text_emails", "column_emails", "text_phones", "column_phones"),
        doc="NULL for what is not checked",
    ),
    _part("country", "country"),
    _part("region", "region"),
    _part("district"),
    _part("city", "city"),
    _part("street"),
    _part("house"),
    _part("flat"),
    _part("postcode"),
)
