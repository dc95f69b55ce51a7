"""Settings of the node whose packets are taken in."""

from __future__ import annotations

import pytest

from onec_pipelines.errors import Stop
from onec_pipelines.settings import load_settings

COMPLETE = {
    "ONEC_URL": "https://erp.example.com/ut/odata/standard.odata",
    "ONEC_USER": "odata",
    "ONEC_PASSWORD": "secret",
    "ONEC_TIMEZONE": "Europe/Moscow",
    "ONEC_SYSTEM": "ut",
}


@pytest.mark.parametrize("given", ["ДляСайта", "ExchangePlan_ДляСайта"])
def test_a_plan_may_be_named_as_in_the_configuration_or_as_a_set(given):
    settings = load_settings({**COMPLETE, "ONEC_EXCHANGE_PLAN": given, "ONEC_EXCHANGE_NODE": "SHOP"})

    assert (settings.exchange_plan, settings.exchange_node) == ("ExchangePlan_ДляСайта", "SHOP")


@pytest.mark.parametrize("given", ["Для Сайта", "A/B", "Plan(guid'x')"])
def test_what_cannot_be_the_name_of_a_plan_is_refused(given):
    with pytest.raises(Stop) as caught:
        load_settings({**COMPLETE, "ONEC_EXCHANGE_PLAN": given})

    assert "ONEC_EXCHANGE_PLAN" in str(caught.value)
