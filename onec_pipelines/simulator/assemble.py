"""Puts a base together from options: the shape, the generated data, the published composition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from onec_pipelines.simulator import edmx
from onec_pipelines.simulator.adapted import Adapted
from onec_pipelines.simulator.base import Base
from onec_pipelines.simulator.data import generate
from onec_pipelines.simulator.dialect import Dialect
from onec_pipelines.simulator.invented import InventedTable
from onec_pipelines.simulator.kinds import Kinds
from onec_pipelines.simulator.options import OptionError, Options
from onec_pipelines.simulator.releases import DEFAULT, shape_of
from onec_pipelines.simulator.shape import Shape
from onec_pipelines.simulator.source import Data, Row, Shortcuts, Slice, Table


@dataclass(kw_only=True)
class Widened:
    """Generated data with invented tables for the sets that it lacks."""

    data: Data
    tables: Mapping[str, Table]

    def balance(self, register: str) -> Iterable[Row]:
        """Balances of the generated data."""
        return self.data.balance(register) if register in self.data.tables else ()

    def balance_part(self, register: str, dimension: str, value: str) -> Iterable[Row] | None:
        """The generated data's direct way, if it has one."""
        if not isinstance(self.data, Shortcuts):
            return None
        return self.data.balance_part(register, dimension, value)

    def slice_last(self, register: str, dimension: str, value: str, period: str) -> Slice | None:
        """The generated data's direct way, if it has one."""
        if not isinstance(self.data, Shortcuts):
            return None
        return self.data.slice_last(register, dimension, value, period)


def build(options: Options, data: Data | None = None) -> Base:
    """Make the base that the options describe; raises OptionError for a bad metadata file or composition."""
    full = _shape(options)
    shop = (
        generate(seed=options.seed, products=options.products, broken=options.broken)
        if data is None
        else None
    )
    dialect = Dialect(full, shop)
    said = data if data is not None else shop
    if shop is not None and full != shape_of(DEFAULT):
        said = Adapted(shop, full, dialect)
    if said is None:
        raise OptionError("a base needs data")
    if options.metadata:
        said = _widen(full, said, options)
    return Base(full=full, shape=_published(full, options), data=said, dialect=dialect)


def _shape(options: Options) -> Shape:
    if not options.metadata:
        return shape_of(options.release)
    try:
        return edmx.parse_file(Path(options.metadata))
    except (OSError, ValueError) as error:
        raise OptionError(f"option metadata: {error}") from error


def _published(full: Shape, options: Options) -> Shape:
    if not options.publish:
        return full
    if options.publish == "none":
        return replace(full, entities={}, complexes={}, sets={}, functions=(), enums=())
    names = [name.strip() for name in options.publish.split(",") if name.strip()]
    unknown = [name for name in names if name not in full.objects()]
    if unknown:
        raise OptionError(f"option publish: the base has no object {', '.join(unknown)}")
    return full.restricted(names)


def _widen(full: Shape, data: Data, options: Options) -> Data:
    kinds = Kinds(full)
    tables = dict(data.tables)
    for name in full.objects():
        if name not in tables and f"{name}_RecordType" not in tables:
            tables[name] = InventedTable(kinds.entity(full.sets[name]), seed=options.seed, size=options.rows)
    return Widened(data=data, tables=tables)
