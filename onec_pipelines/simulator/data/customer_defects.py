"""How single customers are broken. Every function changes the row it is given."""

from __future__ import annotations

from collections.abc import Callable

from onec_pipelines.simulator.data.contacts import CONTACT_KIND, email
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row


class CustomerSpoiler:
    """Spoils customer rows by kind of defect; `kinds` lists what it can do, in a fixed order."""

    def __init__(self, world: World, mail_of: Callable[[int], str]) -> None:
        self._world = world
        self._ways: dict[str, Callable[[Row, int], None]] = {
            "phone typed as text": lambda row, _: self._phone(row, "8(903)123-45-67 доб. 12 (Иван)", ""),
            "two phones in one": lambda row, _: self._phone(
                row, "89031234567, +7 916 765 43 21", "89031234567"
            ),
            "phone too short": lambda row, _: self._phone(row, "123-45-67", "1234567"),
            "e-mail in mixed case with spaces": lambda row, _: self._mail(row, " Ivan.PETROV@Mail.RU "),
            "two e-mails in one": lambda row, _: self._mail(row, "sales@example.ru; office@example.ru"),
            "not an e-mail": lambda row, _: self._mail(row, "нет почты"),
            "duplicate e-mail": lambda row, number: self._mail(row, mail_of(max(number - 1, 0))),
            "born in year 3999": lambda row, _: row.update(ДатаРождения="3999-11-01T00:00:00"),
            "born in year 1899": lambda row, _: row.update(ДатаРождения="1899-12-30T00:00:00"),
            "empty name": lambda row, _: row.update(Description="", НаименованиеПолное=""),
            "own parent": lambda row, _: row.update(Parent_Key=row["Ref_Key"]),
            "dangling parent": lambda row, number: row.update(Parent_Key=world.gone(number)),
            "dangling contact kind": self._contact_kind,
            "contact value is not JSON": self._json,
            "neither customer nor supplier": lambda row, _: row.update(Клиент=False, Поставщик=False),
            "no kind of person": lambda row, _: row.update(ЮрФизЛицо=""),
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of defects, in their fixed order."""
        return tuple(self._ways)

    def spoil(self, row: Row, number: int, kind: str) -> None:
        """Break one customer row in the given way."""
        self._ways[kind](row, number)

    @staticmethod
    def _phone(row: Row, text: str, digits: str) -> None:
        row["КонтактнаяИнформация"][0].update(
            Представление=text, НомерТелефона=digits, НомерТелефонаБезКодов=digits[-7:], Значение=""
        )

    def _mail(self, row: Row, text: str) -> None:
        contacts = [line for line in row["КонтактнаяИнформация"] if line["Тип"] != "АдресЭлектроннойПочты"]
        contacts.append(email(self._world, "EmailПартнера", text))
        row["КонтактнаяИнформация"] = [{**line, "LineNumber": at} for at, line in enumerate(contacts, 1)]

    def _contact_kind(self, row: Row, number: int) -> None:
        gone = self._world.gone(number)
        row["КонтактнаяИнформация"][0].update(Вид_Key=gone, ВидДляСписка_Key=gone)

    def _json(self, row: Row, _: int) -> None:
        guid = self._world.ref(CONTACT_KIND, "ТелефонПартнера")
        fields = '<КонтактнаяИнформация xmlns="http://www.v8.1c.ru/ssl/contactinfo"><Состав/></КонтактнаяИнформация>'
        row["КонтактнаяИнформация"][0].update(Вид_Key=guid, Значение='{"value": "+7', ЗначенияПолей=fields)
