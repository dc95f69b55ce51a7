"""Lost answers, conflicts, refusals: what a person sees, and that one command ends it."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.onec.links import deep_link
from onec_pipelines.outbound import check_order_defaults
from onec_pipelines_tests.fixtures.pipeline import control, query
from onec_pipelines_tests.fixtures.pushing import ORDER, dead_letter, document_of, retry, writes


def test_a_lost_answer_leads_to_no_second_document(simulator, shop_url, push, place):
    fault = {
        "type": "reset_peer",
        "attributes": {"phase": "after"},
        "match": f"POST .*{ORDER}\\?",
        "times": 1,
    }
    control(simulator, "faults", fault)
    before = control(simulator, f"rows/{ORDER}?top=1")["count"]
    order = place()
    push()
    assert control(simulator, f"rows/{ORDER}?top=1")["count"] == before + 1
    assert document_of(simulator, shop_url, order)["Posted"] is True
    sends = "SELECT sends, phase FROM integ.push_objects WHERE outgoing = 'orders'"
    assert query(shop_url, sends) == [(1, "done")]


def test_a_base_that_ignores_our_keys_is_recognised_and_told_of(simulator, shop_url, runtime, push, place):
    control(simulator, "options", {"client_keys": "ignore"}, method="PATCH")
    order = place()
    push()
    own, held = query(
        shop_url,
        "SELECT own_key, onec_key FROM integ.push_objects WHERE outgoing = 'orders' AND subject_id = %s",
        order,
    )[0]
    assert own != held
    assert any("ignores the keys" in one.message for one in check_order_defaults(runtime))
    mapped = (
        "SELECT external_id FROM integ.external_id_mappings WHERE entity_type = 'orders' AND internal_id = %s"
    )
    assert query(shop_url, mapped, order) == [(held,)]


def test_a_conflict_goes_to_a_person_with_both_values_and_the_link(  # noqa: PLR0917 - fixtures
    simulator, shop_url, runtime, push, place, shop
):
    order = place()
    push()
    row = document_of(simulator, shop_url, order)
    lines = [{**line, "Количество": 1} if line["LineNumber"] == 1 else line for line in row["Товары"]]
    control(simulator, f"rows/{ORDER}/{row['Ref_Key']}", {"Товары": lines})
    shop.execute("UPDATE shop.web_order_lines SET quantity = 7 WHERE order_id = %s AND line_code = 1", order)
    push()
    item, error = dead_letter(shop_url, order)
    assert error["code"] == "PUSH_CONFLICT"
    assert "Товары[1].Количество: ours 7, in 1C 1" in error["message"]
    assert deep_link(ORDER, row["Ref_Key"]) in error["remedy"]
    told = query(
        shop_url, "SELECT push_state, message_ru FROM shop.web_order_status WHERE order_id = %s", order
    )
    assert told == [("attention", "Изменение заказа проверит сотрудник магазина.")]

    # the person decides for the application's value: in 1C everything is as it was sent, then retry
    control(simulator, f"rows/{ORDER}/{row['Ref_Key']}", {"Товары": row["Товары"]})
    retry(runtime, item)
    push()
    assert Decimal(document_of(simulator, shop_url, order)["Товары"][0]["Количество"]) == 7


def test_a_posting_that_1c_refuses_shows_its_words_and_one_command_ends_it(
    simulator, shop_url, runtime, push, place
):
    words = "Документ не проведен: период закрыт для изменений (дата запрета 31.12.2026)."
    fault = {
        "type": "odata_error",
        "match": "/Post\\?",
        "attributes": {"status": 500, "code": "-1", "message": words},
    }
    control(simulator, "faults", fault)
    order = place()
    push()
    item, error = dead_letter(shop_url, order)
    assert (error["code"], error["kind"]) == ("ONEC_HANDLER", "refused")
    assert error["onec_message"] == words
    assert deep_link(ORDER, document_of(simulator, shop_url, order)["Ref_Key"]) in error["remedy"]
    posts = len([line for line in writes(simulator) if "/Post?" in line])

    control(simulator, "faults", method="DELETE")
    retry(runtime, item)
    push()
    assert document_of(simulator, shop_url, order)["Posted"] is True
    assert len([line for line in writes(simulator) if "/Post?" in line]) == posts + 1


def test_a_lock_in_1c_is_waited_for(simulator, shop_url, push, place):
    control(simulator, "faults", {"type": "lock_conflict", "match": "/Post\\?", "times": 2})
    order = place()
    push()
    assert document_of(simulator, shop_url, order)["Posted"] is True


def test_one_bad_order_stops_no_other(simulator, shop_url, push, place):
    bad = place(payment_method="barter")
    good = [place() for _ in range(3)]
    push()
    assert dead_letter(shop_url, bad)[1]["code"] == "PUSH_PREFLIGHT"
    assert all(document_of(simulator, shop_url, order)["Posted"] for order in good)


def test_the_corrected_order_goes_out_by_itself(simulator, shop_url, push, place, shop):
    order = place(payment_method="barter")
    push()
    shop.execute("UPDATE shop.web_orders SET payment_method = 'cash' WHERE id = %s", order)
    push()
    assert document_of(simulator, shop_url, order)["ФормаОплаты"] == "Наличная"
    assert query(shop_url, "SELECT DISTINCT state FROM integ.retry_queue") == [("done",)]


def test_missing_defaults_are_named(shop_url, runtime, push, place, shop):
    shop.store(agreement="Нет такого")
    order = place()
    push()
    held = query(
        shop_url, "SELECT DISTINCT last_error ->> 'code' FROM integ.retry_queue WHERE state = 'dead'"
    )
    assert held == [("PUSH_DEFAULTS",)]
    bad = [one.message for one in check_order_defaults(runtime) if one.level == "bad"]
    assert bad == ["agreement names agreements by a name that nothing in 1C has (as far as it was synced)"]
    assert query(shop_url, "SELECT push_state FROM shop.web_order_status WHERE order_id = %s", order) == [
        ("attention",)
    ]


def test_a_shop_put_back_to_before_the_push_finds_its_order_again(simulator, shop_url, push, place):
    order = place()
    push()
    before = control(simulator, f"rows/{ORDER}?top=1")["count"]
    query(shop_url, "DELETE FROM integ.push_objects WHERE outgoing = 'orders'")
    query(shop_url, "DELETE FROM integ.sync_state WHERE entity_type = 'push'")
    query(
        shop_url,
        "UPDATE integ.retry_queue SET state = 'ready', run_at = now() WHERE ordering_key LIKE 'order:%%'",
    )
    push()
    assert control(simulator, f"rows/{ORDER}?top=1")["count"] == before
    assert query(shop_url, "SELECT push_state FROM shop.web_order_status WHERE order_id = %s", order) == [
        ("done",)
    ]


def test_an_order_of_somebody_else_under_our_number_is_not_touched(simulator, shop_url, push, place, shop):
    control(
        simulator, "options", {"client_keys": "ignore"}, method="PATCH"
    )  # orders are known by their numbers
    customer = shop.customer(name="Чужой номер", phone="+79061110001")
    taken = {"НомерПоДаннымКлиента": "SITE-an_order_of_somebody_else.1", "Комментарий": "чужой"}
    control(simulator, f"rows/{ORDER}", taken)
    order = place(customer=customer)
    push()
    assert dead_letter(shop_url, order)[1]["code"] == "PUSH_NUMBER_TAKEN"
    rows = control(simulator, f"rows/{ORDER}?top=100000")["rows"]
    held = [row for row in rows if row["НомерПоДаннымКлиента"] == taken["НомерПоДаннымКлиента"]]
    assert [row["Комментарий"] for row in held] == ["чужой"]
