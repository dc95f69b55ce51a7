"""Pictures from 1C to the shop, on every release: the bytes are 1C's, fetched once, and what cannot be shown says why."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import contextmanager

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import RetryLater
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger import image_rows, queue
from onec_pipelines.pictures import (
    CATALOG,
    KIND,
    collect_pictures,
    fetch_image,
    fetch_pictures,
    image_store,
    verify_pictures,
)
from onec_pipelines.simulator.releases import RELEASES
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures import pictures
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, value

FILE_TYPE = f"StandardODATA.{CATALOG}"
STORE = "InformationRegister_ХранилищеФайлов"
BINARY = "Catalog_ХранилищеДвоичныхДанных"
OLD = "InformationRegister_ДвоичныеДанныеФайлов"
OLD_RELEASES = ("11.4", "11.5.8")


class Shop:
    """A simulated base, a database and a store, with what a clerk does to pictures."""

    def __init__(self, simulator, database_url, runtime, release):
        self.simulator = simulator
        self.url = database_url
        self.runtime = runtime
        self.is_old = release in OLD_RELEASES

    def sync(self):
        """Rows and bytes."""
        for name in ("categories", "products", "images"):
            inbound(BY_NAME[name], self.runtime)
        return fetch_pictures(self.runtime)

    def rows(self, table):
        return control(self.simulator, f"rows/{table}?top=100000")["rows"]

    def requests(self, last=500):
        return control(self.simulator, f"requests?last={last}")

    def binary_of(self, ref):
        (found,) = [row for row in self.rows(STORE) if row["Файл"] == ref]
        return found["ХранилищеДвоичныхДанных_Key"]

    def put(self, ref, body, *, size=None, media_type="application/octet-stream", **fields):
        """Replace the picture of a file, as «Заменить файл» does."""
        text = base64.encodebytes(body).decode().replace("\n", "\r\n")
        if self.is_old:
            data = {"ДвоичныеДанныеФайла_Base64Data": text, "ДвоичныеДанныеФайла_Type": media_type}
            control(self.simulator, f"rows/{OLD}/{ref}/{FILE_TYPE}", data)
        else:
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            data = {"ДвоичныеДанные_Base64Data": text, "ДвоичныеДанные_Type": media_type}
            control(
                self.simulator,
                f"rows/{BINARY}/{self.binary_of(ref)}",
                {**data, "Хеш": digest, "Размер": size or len(body)},
            )
        self.edit(ref, Размер=size or len(body), ДатаМодификацииУниверсальная="2026-11-01T10:00:00", **fields)

    def edit(self, ref, **fields):
        control(self.simulator, f"rows/{CATALOG}/{ref}", fields)

    def picture(self, ref):
        """The row of the shop."""
        names = "state, code, reason, sha256, path, media_type, width, height, bytes, is_deleted, is_main"
        (row,) = query(
            self.url,
            f"SELECT {', '.join(f't.{name}' for name in names.split(', '))} FROM shop.images t"  # noqa: S608
            " JOIN integ.external_id_mappings m ON m.internal_id = t.id AND m.entity_type = 'images'"
            " WHERE m.external_id = %s",
            ref,
        )
        return dict(zip(names.split(", "), row, strict=True))

    def stored(self, ref):
        return image_store(self.runtime).read(self.picture(ref)["path"])

    def good(self, count):
        """Files whose picture is all right, in a fixed order."""
        refs = query(
            self.url,
            "SELECT ref::text FROM integ.image_files WHERE state = 'ready' ORDER BY ref LIMIT %s",
            count,
        )
        return [ref for (ref,) in refs]


@contextmanager
def opened(release, database_url, home, *, products=30, broken=False, **settings):
    with Simulator.start_thread(products=products, seed=4, release=release, broken=broken) as simulator:
        variables = {**environment(simulator, database_url, home, page_rows=1000), **settings}
        with open_fast(variables) as runtime:
            yield Shop(simulator, database_url, runtime, release)


@pytest.fixture(params=["11.5.8", "11.5.20"])
def shop(request, database_url, tmp_path):
    """A shop whose pictures are synced, on a release of each way of keeping bytes."""
    with opened(request.param, database_url, tmp_path) as found:
        found.sync()
        yield found


@pytest.fixture
def new_shop(database_url, tmp_path):
    """The same where 1C says hash and size beforehand."""
    with opened("11.5.20", database_url, tmp_path) as found:
        found.sync()
        yield found


def expected_bytes(shop):
    """By file: what 1C has, None where it has nothing."""
    if shop.is_old:
        return {
            row["Файл"]: base64.b64decode(row["ДвоичныеДанныеФайла_Base64Data"] or "")
            for row in shop.rows(OLD)
        }
    bodies = {row["Ref_Key"]: base64.b64decode(row["ДвоичныеДанные_Base64Data"]) for row in shop.rows(BINARY)}
    return {row["Файл"]: bodies.get(row["ХранилищеДвоичныхДанных_Key"], b"") for row in shop.rows(STORE)}


@pytest.mark.parametrize("release", RELEASES)
def test_the_store_has_the_bytes_of_1c_and_a_second_run_asks_nothing(release, database_url, tmp_path):
    with opened(release, database_url, tmp_path, products=120, broken=True) as shop:
        found = shop.sync()
        files = {row["Ref_Key"]: row for row in shop.rows(CATALOG)}
        bodies = expected_bytes(shop)
        states = dict(query(database_url, "SELECT ref::text, state FROM integ.image_files"))

        assert states.keys() == files.keys()
        assert set(states.values()) == {"ready", "unreachable", "rejected"}
        for ref, state in states.items():
            on_disk = files[ref]["ТипХраненияФайла"] == "ВТомахНаДиске"
            if on_disk or not bodies[ref]:
                assert state == "unreachable"
            elif bodies[ref] == b"not an image":
                assert state == "rejected"
            else:
                assert shop.stored(ref) == bodies[ref]
        assert found.tally.fetched == list(states.values()).count("ready")
        assert found.requests < len(files) / 2
        assert fetch_pictures(shop.runtime).requests == 0
        assert fetch_pictures(shop.runtime).tally.looked_at == 0


def test_rows_tell_what_the_bytes_are(shop):
    (ref,) = shop.good(1)
    body = pictures.webp(640, 480)
    shop.put(ref, body)
    shop.sync()

    found = shop.picture(ref)
    sha256 = hashlib.sha256(body).hexdigest()
    assert (found["state"], found["media_type"], found["bytes"]) == ("ready", "image/webp", len(body))
    assert (found["width"], found["height"], found["sha256"]) == (640, 480, sha256)
    # The name in 1C says png, the bytes do not.
    assert found["path"].endswith(f"{sha256}.webp")


def test_only_a_changed_picture_is_fetched(shop):
    changed, other = shop.good(2)
    before = shop.picture(other)
    shop.put(changed, pictures.jpeg(10, 20))
    done = shop.sync()

    assert (done.tally.looked_at, done.tally.fetched) == (1, 1)
    assert shop.stored(changed) == pictures.jpeg(10, 20)
    assert shop.picture(other) == before


def test_until_the_new_bytes_are_there_the_old_ones_are_shown(shop):
    (ref,) = shop.good(1)
    before = shop.picture(ref)
    shop.put(ref, pictures.jpeg(10, 20))
    inbound(BY_NAME["images"], shop.runtime)

    assert shop.picture(ref) == before
    counts = image_rows.counts(shop.runtime.database, system_name="test")
    assert counts["to_fetch"] == 1


def test_a_new_name_costs_no_bytes_where_1c_says_the_hash(new_shop):
    (ref,) = new_shop.good(1)
    new_shop.edit(ref, Description="другое имя")
    inbound(BY_NAME["images"], new_shop.runtime)
    done = fetch_pictures(new_shop.runtime)

    assert (done.tally.fetched, done.tally.same) == (0, 1)
    assert not [line for line in new_shop.requests(done.requests) if "Base64Data" in line]
    assert new_shop.picture(ref)["state"] == "ready"


def test_the_same_bytes_are_stored_once(new_shop):
    first, second = new_shop.good(2)
    body = pictures.gif(7, 9)
    new_shop.put(first, body)
    new_shop.put(second, body)
    new_shop.sync()

    assert new_shop.picture(first)["path"] == new_shop.picture(second)["path"]
    assert value(new_shop.url, "SELECT count(*) FROM integ.image_blobs WHERE width = 7") == 1


def test_the_main_picture_is_the_one_that_1c_names(new_shop):
    goods = {row["Ref_Key"]: row["ФайлКартинки_Key"] for row in new_shop.rows("Catalog_Номенклатура")}
    wanted = {
        row["Ref_Key"] for row in new_shop.rows(CATALOG) if goods[row["ВладелецФайла_Key"]] == row["Ref_Key"]
    }
    found = query(
        new_shop.url,
        "SELECT m.external_id::text, p.position FROM shop.product_images p"
        " JOIN integ.external_id_mappings m ON m.internal_id = p.image_id AND m.entity_type = 'images' WHERE p.is_main",
    )

    assert {ref for ref, _ in found} == wanted
    assert {position for _, position in found} == {1}
    positions = query(
        new_shop.url,
        "SELECT array_agg(position ORDER BY position) FROM shop.product_images GROUP BY product_id",
    )
    assert {tuple(each) for (each,) in positions} == {(1,), (1, 2)}


def test_a_deleted_picture_is_shown_no_more_and_its_bytes_go_by_policy(new_shop):
    (ref,) = new_shop.good(1)
    new_shop.put(ref, pictures.gif(3, 3))
    new_shop.sync()
    path = new_shop.picture(ref)["path"]
    new_shop.edit(ref, DeletionMark=True)
    new_shop.sync()

    assert new_shop.picture(ref)["is_deleted"]
    assert value(new_shop.url, "SELECT count(*) FROM shop.product_images WHERE path = %s", path) == 0
    assert collect_pictures(new_shop.runtime).removed == 0
    query(
        new_shop.url,
        "UPDATE integ.image_blobs SET unneeded_since = now() - interval '31 days' WHERE path = %s",
        path,
    )
    collected = collect_pictures(new_shop.runtime)
    assert collected.removed == 1
    assert image_store(new_shop.runtime).size(path) is None
    assert new_shop.picture(ref)["path"] is None

    new_shop.edit(ref, DeletionMark=False)
    new_shop.sync()
    assert new_shop.stored(ref) == pictures.gif(3, 3)
    assert verify_pictures(new_shop.runtime).is_good


def test_a_picture_that_says_it_is_too_large_is_not_asked_for(database_url, tmp_path):
    with opened("11.5.20", database_url, tmp_path, ONEC_IMAGE_MAX_BYTES="2048") as shop:
        shop.sync()
        (ref,) = shop.good(1)
        shop.put(ref, pictures.gif(3, 3) + bytes(3000))
        inbound(BY_NAME["images"], shop.runtime)
        done = fetch_pictures(shop.runtime)

        assert done.requests == 0
        assert (shop.picture(ref)["state"], shop.picture(ref)["code"]) == ("rejected", "IMAGE_TOO_LARGE")
        assert shop.picture(ref)["path"] is None


@pytest.mark.parametrize("release", ["11.5.8", "11.5.20"])
@pytest.mark.parametrize("surplus", [3_000, 300_000])
def test_a_picture_that_hides_how_large_it_is_is_rejected_and_harms_no_other(
    release, surplus, database_url, tmp_path
):
    with opened(release, database_url, tmp_path, ONEC_IMAGE_MAX_BYTES="2048") as shop:
        shop.sync()
        liar, honest = shop.good(2)
        shop.put(liar, pictures.gif(3, 3) + bytes(surplus), size=100)
        shop.put(honest, pictures.gif(4, 4))
        shop.sync()

        assert (shop.picture(liar)["state"], shop.picture(liar)["code"]) == ("rejected", "IMAGE_TOO_LARGE")
        assert shop.stored(honest) == pictures.gif(4, 4)
        assert value(database_url, "SELECT count(*) FROM integ.retry_queue") == 0


def test_a_dangerous_file_is_rejected_whatever_its_name(new_shop):
    (ref,) = new_shop.good(1)
    new_shop.put(ref, b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    new_shop.sync()

    found = new_shop.picture(ref)
    assert (found["state"], found["code"], found["path"]) == ("rejected", "IMAGE_BAD_TYPE", None)
    assert "script" in found["reason"]
    fetched = fetch_pictures(new_shop.runtime)
    assert fetched.requests == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Расширение": "PDF"}, "IMAGE_OTHER_FILE"),
        ({"Зашифрован": True}, "IMAGE_ENCRYPTED"),
        ({"ТипХраненияФайла": "ВТомахНаДиске", "Размер": 5}, "IMAGE_ON_VOLUME"),
        ({"ТипХраненияФайла": "ВоВнешнемХранилище", "Размер": 5}, "IMAGE_ON_VOLUME"),
    ],
)
def test_what_the_row_alone_tells_costs_no_request(new_shop, fields, code):
    (ref,) = new_shop.good(1)
    new_shop.edit(ref, **fields)
    inbound(BY_NAME["images"], new_shop.runtime)
    done = fetch_pictures(new_shop.runtime)

    assert done.requests == 0
    assert new_shop.picture(ref)["code"] == code


def test_a_file_that_moves_to_a_volume_keeps_its_picture(new_shop):
    """Moving files to volumes is maintenance of 1C: the shop must not lose its pictures by it."""
    (ref,) = new_shop.good(1)
    before = new_shop.picture(ref)
    new_shop.edit(ref, ТипХраненияФайла="ВТомахНаДиске", ПутьКФайлу="2026\\a.png")
    new_shop.sync()

    assert new_shop.picture(ref) == before


def test_an_envelope_of_xdto_is_taken_off(shop):
    (ref,) = shop.good(1)
    body = pictures.jpeg(33, 44)
    inner = base64.encodebytes(body).decode()
    envelope = f'<?xml version="1.0" encoding="UTF-8"?><ValueStorage xmlns="http://v8.1c.ru/8.1/data/core">{inner}</ValueStorage>'
    shop.put(ref, envelope.encode(), media_type="application/xml+xdto")
    shop.sync()

    assert shop.stored(ref) == body


def fail(shop, ref, **attributes):
    """Have 1C fail whenever it is asked for the bytes of this file."""
    key = ref if shop.is_old else shop.binary_of(ref)
    described = {
        "name": "bad",
        "type": "status",
        "match": f"(?s)(?=.*{key})(?=.*Base64Data)",
        "attributes": attributes,
    }
    control(shop.simulator, "faults", described)


def test_one_picture_that_fails_goes_to_the_queue_and_the_others_come(shop):
    bad, *others = shop.good(8)
    for number, ref in enumerate([bad, *others]):
        shop.put(ref, pictures.gif(100 + number, 5))
    fail(shop, bad, status=500, body="<html>Internal error</html>")
    done = shop.sync()

    assert (done.tally.ready, done.tally.waiting) == (7, 1)
    assert [shop.picture(ref)["width"] for ref in others] == list(range(101, 108))
    # The picture that it had is shown meanwhile.
    assert shop.picture(bad)["state"] == "waiting"
    assert shop.picture(bad)["path"]
    assert query(shop.url, "SELECT kind, subject, payload ->> 'ref' FROM integ.retry_queue") == [
        (KIND, f"image:{bad}", bad)
    ]
    assert fetch_pictures(shop.runtime).requests == 0


def test_the_queue_brings_a_picture_that_had_failed(shop):
    (bad,) = shop.good(1)
    shop.put(bad, pictures.gif(100, 5))
    fail(shop, bad, status=500, body="<html>Internal error</html>")
    shop.sync()
    (item,) = claimed(shop)
    with pytest.raises(RetryLater):
        fetch_image(shop.runtime, item)
    assert shop.picture(bad)["state"] == "waiting"

    control(shop.simulator, "faults", method="DELETE")
    fetch_image(shop.runtime, item)
    assert shop.stored(bad) == pictures.gif(100, 5)
    before = shop.picture(bad)
    fetch_image(shop.runtime, item)
    assert shop.picture(bad) == before


def claimed(shop):
    return queue.claim(shop.runtime.database, system_name="test", kinds=[KIND], limit=5, lease_seconds=60)


def test_a_worker_whose_lease_is_lost_writes_nothing(new_shop):
    (bad,) = new_shop.good(1)
    new_shop.put(bad, pictures.gif(100, 5))
    fail(new_shop, bad, status=500, body="<html>Internal error</html>")
    new_shop.sync()
    control(new_shop.simulator, "faults", method="DELETE")
    (item,) = claimed(new_shop)
    query(new_shop.url, "UPDATE integ.retry_queue SET lease_token = gen_random_uuid()")

    with pytest.raises(queue.LeaseLost):
        fetch_image(new_shop.runtime, item)
    assert new_shop.picture(bad)["state"] == "waiting"


def test_a_base_that_is_down_ends_the_run_and_blames_no_picture(new_shop):
    refs = new_shop.good(3)
    for number, ref in enumerate(refs):
        new_shop.put(ref, pictures.gif(100 + number, 5))
    inbound(BY_NAME["images"], new_shop.runtime)
    control(
        new_shop.simulator,
        "faults",
        {"name": "down", "type": "status", "match": "Base64Data", "attributes": {"status": 503}},
    )
    with pytest.raises(RetryLater):
        fetch_pictures(new_shop.runtime)

    assert value(new_shop.url, "SELECT count(*) FROM integ.retry_queue") == 0
    assert value(new_shop.url, "SELECT count(*) FROM integ.image_files WHERE state = 'waiting'") == 0
    control(new_shop.simulator, "faults", method="DELETE")
    assert fetch_pictures(new_shop.runtime).tally.ready == 3


def test_a_base_that_fails_for_every_picture_is_not_asked_for_all_of_them(new_shop):
    refs = new_shop.good(12)
    for number, ref in enumerate(refs):
        new_shop.put(ref, pictures.gif(100 + number, 5))
    inbound(BY_NAME["images"], new_shop.runtime)
    control(
        new_shop.simulator,
        "faults",
        {
            "name": "ill",
            "type": "status",
            "match": "Base64Data",
            "attributes": {"status": 500, "body": "<html></html>"},
        },
    )
    with pytest.raises(RetryLater):
        fetch_pictures(new_shop.runtime)

    assert value(new_shop.url, "SELECT count(*) FROM integ.retry_queue") == 0


def test_what_the_store_lost_is_found_and_fetched_again(new_shop, tmp_path):
    lost, damaged = new_shop.good(2)
    for number, ref in enumerate((lost, damaged)):
        new_shop.put(ref, pictures.gif(100 + number, 5))
    new_shop.sync()
    (tmp_path / "images" / new_shop.picture(lost)["path"]).unlink()
    spoilt = tmp_path / "images" / new_shop.picture(damaged)["path"]
    spoilt.write_bytes(bytes(spoilt.stat().st_size))

    found = verify_pictures(new_shop.runtime, repair=True)
    assert found.missing == [new_shop.picture(lost)["path"]]
    assert found.damaged == [new_shop.picture(damaged)["path"]]
    assert fetch_pictures(new_shop.runtime).tally.fetched == 2
    assert verify_pictures(new_shop.runtime).is_good


def test_another_release_of_the_same_pictures_fills_the_same_store(database_url, tmp_path):
    """An update of 1C from 11.5.8 to 11.5.20 moves the bytes; the shop's pictures stay as they are."""
    with opened("11.5.8", database_url, tmp_path) as shop:
        shop.sync()
        before = query(database_url, "SELECT id, path, state FROM shop.images ORDER BY id")
    with opened("11.5.20", database_url, tmp_path) as shop:
        query(database_url, "UPDATE integ.image_files SET data_version = ''")
        for cached in (tmp_path / "metadata").glob("**/*"):
            if cached.is_file():
                cached.unlink()
        done = shop.sync()

    assert query(database_url, "SELECT id, path, state FROM shop.images ORDER BY id") == before
    assert done.tally.fetched > 0
    assert json.dumps(done.counts["reasons"]) == "{}"
