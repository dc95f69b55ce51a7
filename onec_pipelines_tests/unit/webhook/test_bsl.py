"""What is shipped for 1C: the signature's own text run line by line, and the words that both sides must agree on."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from onec_pipelines.entities.hints import HINTS
from onec_pipelines.webhook.events import Data, Event, StockRow
from onec_pipelines.webhook.signature import new_secret, parse_secrets, sign
from onec_pipelines_tests.fixtures.bsl import PLATFORM, load

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "1c"
SIGNATURE = FOLDER / "onec_signature.bsl"
MODULE = load(SIGNATURE)
BYTES = PLATFORM["ДвоичныеДанные"]
EVENTS = (FOLDER / "onec_events.bsl").read_text(encoding="utf-8")
SENDER = (FOLDER / "onec_sender.bsl").read_text(encoding="utf-8")
BLOCKS = (
    ("Функция", "КонецФункции"),
    ("Процедура", "КонецПроцедуры"),
    ("Если", "КонецЕсли"),
    ("(?:Для|Пока)", "КонецЦикла"),
    ("Попытка", "КонецПопытки"),
)

LONG_TEXT = (
    b"This is a test using a larger than block-size key and a larger than block-size data."
    b" The key needs to be hashed before being used by the HMAC algorithm."
)
# RFC 4231, test cases 1, 2, 3, 4, 6 and 7.
RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        LONG_TEXT,
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]


@pytest.mark.parametrize(("key", "data", "digest"), RFC_4231)
def test_the_shipped_hmac_gives_the_vectors_of_rfc_4231(key: bytes, data: bytes, digest: str) -> None:
    assert MODULE["HMACSHA256"](BYTES(key), BYTES(data)).hex() == digest


def test_the_shipped_self_test_passes_and_would_not_with_another_hmac() -> None:
    MODULE["ПроверитьСебя"]()
    wrong = load(SIGNATURE)
    wrong["Заполненный"] = lambda size, _byte: MODULE["Заполненный"](size, 0)
    with pytest.raises(PLATFORM["ВызваноИсключение"]):
        wrong["ПроверитьСебя"]()


@given(key=st.binary(max_size=200), data=st.binary(max_size=300))
def test_the_shipped_hmac_is_pythons(key: bytes, data: bytes) -> None:
    expected = hmac.new(key, data, hashlib.sha256).digest()
    assert MODULE["HMACSHA256"](BYTES(key), BYTES(data)) == expected


@given(data=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_what_1c_signs_is_accepted_by_the_public_library_and_by_us(data) -> None:
    secret, stamp = new_secret(), int(time.time())
    body = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
    signature = MODULE["Подписать"](secret, "onec-1", str(stamp), BYTES(body))
    assert signature == sign(key=parse_secrets(secret).keys[0], msg_id="onec-1", timestamp=stamp, body=body)
    headers = {"webhook-id": "onec-1", "webhook-timestamp": str(stamp), "webhook-signature": signature}
    assert Webhook(secret).verify(body, headers) == json.loads(body)


def test_the_port_refuses_what_it_does_not_know(tmp_path) -> None:
    path = tmp_path / "module.bsl"
    path.write_text("Процедура А()\n\tВыполнить Б;\nКонецПроцедуры\n", encoding="utf-8")
    with pytest.raises(SyntaxError):
        load(path)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.bsl")), ids=lambda path: path.stem)
def test_every_block_that_is_opened_is_closed(path: Path) -> None:
    code = re.sub(r'//.*|"[^"\n]*(?:\n\s*\|[^"\n]*)*"', "", path.read_text(encoding="utf-8"))
    for begin, end in BLOCKS:
        opened = len(re.findall(rf"^\s*{begin}\b", code, re.MULTILINE))
        assert opened == len(re.findall(rf"^\s*{end}\b", code, re.MULTILINE)), (begin, end)
    assert code.count("(") == code.count(")")


def test_every_event_that_1c_sends_is_one_we_know() -> None:
    sent = set(re.findall(r'"([a-z_]+\.changed|ping)"', EVENTS + SENDER))
    assert sent <= set(HINTS)
    # All of them: an event that we know and 1C never sends would be a promise on paper.
    assert sent == set(HINTS)


def test_the_message_of_1c_has_our_names() -> None:
    def fields(struct: type[msgspec.Struct]) -> set[str]:
        return set(struct.__struct_fields__)

    message = re.search(r'Новый Структура\("(type[^"]*)"', SENDER)
    data = re.search(r'Новый Структура\("(refs[^"]*)"', SENDER)
    rows = set(re.findall(r'Строка\.Вставить\("(\w+)"', SENDER))
    assert message
    assert data
    assert set(message[1].split(", ")) == fields(Event)
    assert set(data[1].split(", ")) | {"stock"} <= fields(Data)
    assert rows == fields(StockRow)


def test_ids_and_headers_of_1c_are_what_the_receiver_takes() -> None:
    assert 'Возврат "onec-"' in SENDER
    for header in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert f'Вставить("{header}"' in SENDER
