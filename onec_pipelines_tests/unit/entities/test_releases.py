"""Customers, loyalty, discounts and reserves against the genuine `$metadata` of two releases, and the two derived ones."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import Skip
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.simulator.releases import RELEASES, shape_of
from onec_pipelines.steps.resolve import resolve
from onec_pipelines_tests.fixtures.schemas import GENUINE, metadata_of

MISSING = {
    "customers": {"11.4": {"price_type_ref", "contacts.address"}},
    "counterparties": {"11.4": {"contacts.address"}},
    "loyalty_balances": {"11.4": {"reserved"}, "11.5.8": {"reserved"}},
    "reserves": {release: {"set_aside"} for release in ("11.5.8", "11.5.20", "11.5.27")},
}
NAMES = (
    "contact_kinds", "customers", "counterparties", "loyalty_programs", "loyalty_card_kinds", "loyalty_cards",
    "loyalty_balances", "price_groups", "discount_conditions", "discounts", "discount_scopes", "reserves", "stock",
)  # fmt: skip


def missing(name, release):
    return MISSING.get(name, {}).get(release, set())


@pytest.fixture(scope="module", params=RELEASES)
def base(request):
    return request.param, metadata_of(shape_of(request.param))


def test_every_release_has_what_is_read_and_what_it_lacks_is_known(base):
    release, metadata = base
    found = {name: set(resolve(BY_NAME[name], metadata).missing) for name in NAMES}

    assert found == {name: missing(name, release) for name in NAMES}


@pytest.mark.parametrize("path", GENUINE, ids=lambda path: path.stem)
def test_whole_configurations_have_it_as_well(path):
    metadata = parse_metadata(path.read_bytes())
    release = "11.4" if "11.4" in path.stem else "11.5.20"
    found = {name: set(resolve(BY_NAME[name], metadata).missing) for name in NAMES}

    assert found == {name: missing(name, release) for name in NAMES}


def test_a_base_that_publishes_none_of_it_is_told_so():
    metadata = metadata_of(shape_of("11.4"))
    for register in BY_NAME["reserves"].source.resources:
        metadata.sets.pop(register, None)

    with pytest.raises(Skip, match=r"ЗапасыИПотребности or .*СвободныеОстатки or .*is not published"):
        resolve(BY_NAME["reserves"], metadata)
