"""Партнеры: a customer of the application as a partner of 1C (PROTOCOL §11.6)."""

from __future__ import annotations

from onec_pipelines.entities.outgoing.contact_rows import CONTACTS
from onec_pipelines.entities.outgoing.maps import GENDERS, PARTNER_KINDS
from onec_pipelines.steps.push.declaration import Attribute, Kind, Outgoing, Owner

CUSTOMERS = Outgoing(
    name="customers",
    title="customer",
    resource="Catalog_Партнеры",
    entity="customers",
    attributes=(
        Attribute(wire=("Description",), fact="name", max_length=100, personal=True, filled=True),
        Attribute(wire=("НаименованиеПолное",), fact="full_name", max_length=1024, personal=True),
        Attribute(
            wire=("ЮрФизЛицо",),
            fact="kind",
            kind=Kind.ENUM,
            enum="КомпанияЧастноеЛицо",
            names=PARTNER_KINDS,
            owner=Owner.ONCE,
            filled=True,
        ),
        Attribute(wire=("Клиент",), fact="is_client", kind=Kind.FLAG),
        Attribute(wire=("Пол",), fact="gender", kind=Kind.ENUM, enum="ПолФизическогоЛица", names=GENDERS),
        Attribute(wire=("ДатаРождения",), fact="birth_date", kind=Kind.MOMENT, personal=True),
        Attribute(wire=("ДатаРегистрации",), fact="registered", kind=Kind.MOMENT, owner=Owner.ONCE),
        Attribute(wire=("ГруппаДоступа_Key",), fact="access_group", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("ОсновнойМенеджер_Key",), fact="manager", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("Комментарий",), fact="comment", personal=True),
    ),
    sections=(CONTACTS,),
)
