"""Who signed, by our verifier and by the public `standardwebhooks` library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from onec_pipelines.errors import Stop
from onec_pipelines.webhook.signature import (
    BadSignature,
    Secrets,
    Verified,
    new_secret,
    parse_secrets,
    sign,
    verify,
)

OLD, NEW = new_secret(), new_secret()
BOTH = parse_secrets(f"{NEW} {OLD}")
NOW = 1_795_000_000


def check(
    *,
    msg_id: bytes | None = b"msg_1",
    timestamp: bytes | None = str(NOW).encode(),
    signatures: bytes | None = None,
    body: bytes = b"{}",
    secrets: Secrets = BOTH,
    now: float = NOW,
    secret: str = NEW,
) -> Verified:
    if signatures is None:
        signatures = signed(secret, (msg_id or b"").decode("latin-1"), timestamp or b"0", body)
    return verify(
        msg_id=msg_id,
        timestamp=timestamp,
        signatures=signatures,
        body=body,
        secrets=secrets,
        now=now,
        tolerance=300,
    )


def signed(secret: str, msg_id: str, timestamp: bytes, body: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = msg_id.encode("latin-1") + b"." + timestamp + b"." + body
    return b"v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest())


def refused(**arguments) -> str:
    with pytest.raises(BadSignature) as caught:
        check(**arguments)
    return caught.value.reason


@pytest.mark.parametrize(("secret", "place"), [(NEW, 0), (OLD, 1)], ids=["new", "old"])
def test_every_active_secret_is_good_and_the_answer_says_which_it_was(secret: str, place: int) -> None:
    assert check(secret=secret) == Verified(msg_id="msg_1", sent_at=NOW, secret=place)


def test_a_secret_that_was_taken_out_is_refused() -> None:
    assert refused(secret=OLD, secrets=parse_secrets(NEW)) == "signature"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"msg_id": None}, "headers"),
        ({"timestamp": None}, "headers"),
        ({"signatures": b""}, "signature"),
        ({"msg_id": b""}, "headers"),
        ({"msg_id": b"has.dot"}, "headers"),
        ({"msg_id": b"has blank"}, "headers"),
        ({"msg_id": b"x" * 129}, "headers"),
        ({"msg_id": b"\xff"}, "headers"),
        ({"timestamp": b"1.5e9"}, "headers"),
        ({"timestamp": b"-1"}, "headers"),
        ({"timestamp": b"+1795000000"}, "headers"),
        ({"timestamp": b"01795000000"}, "headers"),
        ({"timestamp": "١٧٩٥".encode()}, "headers"),
        ({"timestamp": b"nan"}, "headers"),
        ({"timestamp": b"1" * 13}, "headers"),
        ({"signatures": b"v1,"}, "signature"),
        ({"signatures": b"v1"}, "signature"),
        ({"signatures": b"v1,AAAA,BBBB"}, "signature"),
        ({"signatures": b"\xff\xfe"}, "signature"),
    ],
)
def test_malformed_headers_are_refused_and_never_raise_anything_else(arguments, reason: str) -> None:
    assert refused(**arguments) == reason


def test_no_header_is_taken_for_another() -> None:
    with pytest.raises(BadSignature) as caught:
        verify(msg_id=b"a", timestamp=b"1", signatures=None, body=b"", secrets=BOTH, now=1, tolerance=300)
    assert caught.value.reason == "headers"


def test_the_version_of_the_scheme_is_part_of_the_signature() -> None:
    good = signed(NEW, "msg_1", str(NOW).encode(), b"{}")
    assert refused(signatures=good.replace(b"v1,", b"v1a,")) == "signature"
    assert check(signatures=b"v1a,AAAA " + good).secret == 0


def test_the_fifth_signature_is_looked_at_and_the_sixth_is_not() -> None:
    good = signed(NEW, "msg_1", str(NOW).encode(), b"{}")
    assert check(signatures=b"v1,AAAA " * 4 + good).secret == 0
    assert refused(signatures=b"v1,AAAA " * 5 + good) == "signature"


@pytest.mark.parametrize(
    ("behind", "is_good"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)]
)
def test_clocks_may_differ_by_the_tolerance_in_both_directions(behind: int, is_good: bool) -> None:
    if is_good:
        assert check(now=NOW + behind).sent_at == NOW
        return
    with pytest.raises(BadSignature) as caught:
        check(now=NOW + behind)
    assert (caught.value.reason, caught.value.skew) == ("timestamp", behind)


def test_an_old_message_with_a_wrong_signature_says_nothing_about_clocks() -> None:
    with pytest.raises(BadSignature) as caught:
        check(now=NOW + 10_000, signatures=b"v1,AAAA")
    assert caught.value.skew is None


@given(
    body=st.binary(max_size=200),
    msg_id=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=128
    ),
    place=st.sampled_from([0, 1]),
)
def test_what_we_sign_we_accept_whatever_the_bytes(body: bytes, msg_id: str, place: int) -> None:
    signature = sign(key=BOTH.keys[place], msg_id=msg_id, timestamp=NOW, body=body)
    assert check(msg_id=msg_id.encode(), body=body, signatures=signature.encode()).secret == place


@given(
    body=st.binary(min_size=1, max_size=64),
    position=st.integers(min_value=0),
    bit=st.integers(min_value=0, max_value=7),
    part=st.sampled_from(["body", "msg_id", "timestamp", "signatures"]),
)
def test_one_changed_bit_anywhere_is_refused(body: bytes, position: int, bit: int, part: str) -> None:
    message = {
        "body": body,
        "msg_id": b"msg_1",
        "timestamp": str(NOW).encode(),
        "signatures": signed(NEW, "msg_1", str(NOW).encode(), body),
    }
    changed = bytearray(message[part])
    changed[position % len(changed)] ^= 1 << bit
    message[part] = bytes(changed)
    if (
        part == "signatures"
        and message[part].split() == signed(NEW, "msg_1", str(NOW).encode(), body).split()
    ):
        return
    with pytest.raises(BadSignature):
        check(**message)


@given(data=st.dictionaries(st.text(max_size=10), st.integers() | st.text(max_size=10), max_size=5))
def test_the_public_library_accepts_what_we_sign_and_we_what_it_signs(data) -> None:
    body = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
    now = int(time.time())
    oracle = Webhook(NEW)
    ours = sign(key=BOTH.keys[0], msg_id="msg_1", timestamp=now, body=body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": ours}
    assert oracle.verify(body, headers) == json.loads(body)
    theirs = oracle.sign("msg_1", datetime.fromtimestamp(now, UTC), body.decode())
    assert check(timestamp=str(now).encode(), body=body, signatures=theirs.encode(), now=now).secret == 0


@given(
    msg_id=st.binary(min_size=1, max_size=20),
    signatures=st.lists(
        st.sampled_from(["good", "old", "wrong", "v2,AAAA", "v1,", "v1", ",", "v1,=", "v1,a,b"]), max_size=7
    ),
    behind=st.sampled_from([-400, -299, 0, 299, 400]),
)
def test_we_never_accept_what_the_public_library_refuses(
    msg_id: bytes, signatures: list[str], behind: int
) -> None:
    body, now = b'{"type":"ping"}', int(time.time())
    stamp = str(now - behind).encode()
    text_id = msg_id.decode("latin-1")
    words = {
        "good": signed(NEW, text_id, stamp, body).decode(),
        "old": signed(OLD, text_id, stamp, body).decode(),
        "wrong": signed(NEW, text_id, b"1", body).decode(),
    }
    header = " ".join(words.get(word, word) for word in signatures)
    try:
        verify(
            msg_id=msg_id,
            timestamp=stamp,
            signatures=header.encode(),
            body=body,
            secrets=parse_secrets(NEW),
            now=now,
            tolerance=299,
        )
    except BadSignature:
        return
    headers = {"webhook-id": text_id, "webhook-timestamp": stamp.decode(), "webhook-signature": words["good"]}
    try:
        Webhook(NEW).verify(body, headers)
    except WebhookVerificationError:
        pytest.fail("the public library refuses this message")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "MfKQ9r8GKYqUTwjUPD8ILPZIo2LaLDSJ",
        "whsec_",
        "whsec_not base64!",
        "whsec_" + base64.b64encode(b"short").decode(),
        "whsec_" + base64.b64encode(b"x" * 32).decode(),
        "whsec_" + base64.b64encode(b"please-CHANGE-me-before-you-start").decode(),
        "whsec_" + base64.b64encode(bytes(range(65))).decode(),
        f"{NEW} {NEW}",
    ],
    ids=["none", "blanks", "prefix", "empty", "text", "short", "regular", "default", "long", "twice"],
)
def test_what_is_no_secret_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(Stop) as caught:
        parse_secrets(text)
    assert caught.value.code == "WEBHOOK_SECRET"
    told = str(caught.value)
    assert not any(part in told for part in text.split() if len(part) > len("whsec_"))


def test_a_new_secret_is_good_and_new_and_not_shown_by_its_holder() -> None:
    made = {new_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(len(parse_secrets(one).keys[0]) == 32 for one in made)
    assert NEW.removeprefix("whsec_")[:8] not in repr(BOTH)
    assert BOTH.keys[0][:4].hex() not in repr(BOTH)
