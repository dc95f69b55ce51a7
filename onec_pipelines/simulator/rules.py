"""Rules of a configuration that stand against a document: a closed period, a blocked customer, an agreement that has ended.

The protocol says only how such a refusal looks, 500 with code -1 and the configuration's words (PROTOCOL §4.6); the words here are
believable ones. Whoever removes the cause in the base, or by the option, removes the refusal.
"""

from __future__ import annotations

from dataclasses import dataclass

from onec_pipelines.simulator import posting
from onec_pipelines.simulator.base import Base
from onec_pipelines.simulator.errors import internal
from onec_pipelines.simulator.kinds import EMPTY_DATE
from onec_pipelines.simulator.options import Options
from onec_pipelines.simulator.presentations import of_row
from onec_pipelines.simulator.source import Row

AGREEMENT = "Catalog_СоглашенияСКлиентами"
PARTNER = "Catalog_Партнеры"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is forbidden now: documents dated up to `closed_until` (YYYY-MM-DD), and sales to the `blocked` partners (keys)."""

    closed_until: str = ""
    blocked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, options: Options) -> Rules:
        """The rules that the options set."""
        blocked = (key.strip().lower() for key in options.blocked.split(","))
        return cls(closed_until=options.closed_until, blocked=frozenset(key for key in blocked if key))

    def check_write(self, base: Base, name: str, row: Row) -> None:
        """The check before a document is written; raises OdataError 500/-1."""
        if not self.closed_until or base.meta(name).kind != "document":
            return
        if str(row.get("Date") or EMPTY_DATE)[:10] <= self.closed_until:
            raise internal(
                f'Документ "{of_row(base.meta(name), row)}" не записан: период закрыт для изменений'
                f" (дата запрета {self.closed_until})."
            )

    def check_posting(self, base: Base, name: str, row: Row) -> None:
        """The check before a document is posted; raises OdataError 500/-1."""
        self.check_write(base, name, row)
        if name != posting.ORDER:
            return
        if str(row.get("Партнер_Key")) in self.blocked:
            partner = base.resolve(PARTNER, str(row["Партнер_Key"])) or {}
            reason = f'Отгрузка клиенту "{partner.get("Description", "")}" запрещена.'
            raise posting.refuse(base, name, row, reason)
        agreement = base.resolve(AGREEMENT, str(row.get("Соглашение_Key"))) or {}
        ends = str(agreement.get("ДатаОкончанияДействия") or EMPTY_DATE)
        if ends != EMPTY_DATE and ends[:10] < str(row.get("Date"))[:10]:
            reason = f'Соглашение "{agreement.get("Description", "")}" не действует на дату документа.'
            raise posting.refuse(base, name, row, reason)
