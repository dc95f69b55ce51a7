"""What is noted of pictures reaches the shop with it, and those who store keep apart from the one who cleans up."""

from __future__ import annotations

import pytest

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger import image_blobs, image_rows
from onec_pipelines.ledger.image_rows import Blob, Settled

SYSTEM = "test"
REF = "aaaaaaaa-0000-0000-0000-00000000000{}"
BLOB = Blob(sha256="ab" * 32, path="ab/ab/x.png", media_type="image/png", width=3, height=4, bytes=5)


@pytest.fixture
def picture(tx):
    """Makes a row of clean, with its row of the shop."""

    def make(number, **fields):
        values = {"data_version": "v1", "deletion_mark": False, "size_bytes": 5, **fields}
        ref = REF.format(number)
        names = ", ".join(values)
        tx.execute(
            f"INSERT INTO clean.images (system_name, row_key, ref, changed_in, {names})"  # noqa: S608
            f" VALUES (%s, %s, %s, 1, {', '.join(['%s'] * len(values))})",
            (SYSTEM, ref, ref, *values.values()),
        )
        tx.execute("INSERT INTO shop.images (id, name) VALUES (%s, %s)", (number, f"picture {number}"))
        tx.execute(
            "INSERT INTO integ.external_id_mappings (entity_type, internal_id, external_id, system_name)"
            " VALUES ('images', %s, %s, %s)",
            (number, ref, SYSTEM),
        )
        return ref

    return make


def unsettled(database, limit=10):
    return image_rows.wanted(database, system_name=SYSTEM, after=None, limit=limit)


def record(database, *settled):
    with database.transaction() as connection:
        image_rows.record(driver_connection(connection), settled, system_name=SYSTEM)


def shown(tx, number):
    return tx.execute("SELECT state, code, path, width FROM shop.images WHERE id = %s", (number,)).fetchone()


def test_a_picture_is_wanted_until_its_version_is_settled(database, picture, tx):
    picture(1)
    picture(2, deletion_mark=True)
    picture(3, is_folder=True)
    (wanted,) = unsettled(database)
    assert (wanted.ref, wanted.is_settled, wanted.old_state) == (REF.format(1), False, None)

    record(database, Settled(wanted=wanted, state="ready", blob=BLOB))
    assert unsettled(database) == []
    assert shown(tx, 1) == ("ready", None, "ab/ab/x.png", 3)

    tx.execute("UPDATE clean.images SET data_version = 'v2'")
    (again,) = unsettled(database)
    assert (again.old_state, again.old_sha256) == ("ready", BLOB.sha256)


def test_a_version_that_1c_does_not_say_is_settled_too(database, picture):
    picture(1, data_version=None)
    (wanted,) = unsettled(database)
    record(database, Settled(wanted=wanted, state="rejected", code="IMAGE_BAD_TYPE", reason="it is text"))

    assert unsettled(database) == []


def test_pictures_come_in_batches_without_gaps(database, picture):
    refs = [picture(number) for number in range(1, 6)]
    first = unsettled(database, limit=2)
    rest = image_rows.wanted(database, system_name=SYSTEM, after=first[-1].ref, limit=10)

    assert [one.ref for one in first + rest] == refs


def test_states_that_are_forgotten_are_wanted_again(database, picture, tx):
    for number in (1, 2):
        picture(number)
    ready, rejected = unsettled(database)
    record(
        database,
        Settled(wanted=ready, state="ready", blob=BLOB),
        Settled(wanted=rejected, state="rejected", code="IMAGE_BAD_TYPE", reason="it is text"),
    )
    with database.transaction() as connection:
        number = image_rows.forget(driver_connection(connection), system_name=SYSTEM, states=["rejected"])

    assert number == 1
    assert [one.ref for one in unsettled(database)] == [rejected.ref]
    counts = image_rows.counts(database, system_name=SYSTEM)
    assert (counts["ready"], counts["rejected"], counts["to_fetch"]) == (1, 1, 1)
    assert counts["reasons"] == {"rejected IMAGE_BAD_TYPE": 1}


def test_what_a_merge_overwrote_is_brought_back(database, picture, tx):
    picture(1)
    (wanted,) = unsettled(database)
    record(database, Settled(wanted=wanted, state="ready", blob=BLOB))
    tx.execute("UPDATE shop.images SET state = 'waiting', path = NULL")
    with database.transaction() as connection:
        assert image_rows.refresh_shop(driver_connection(connection), system_name=SYSTEM) == 1
        assert image_rows.refresh_shop(driver_connection(connection), system_name=SYSTEM) == 0

    assert shown(tx, 1)[:3] == ("ready", None, "ab/ab/x.png")


def test_bytes_that_one_live_picture_has_are_kept(database, picture, tx):
    for number in (1, 2):
        picture(number)
    record(database, *(Settled(wanted=one, state="ready", blob=BLOB) for one in unsettled(database)))
    tx.execute("UPDATE clean.images SET deletion_mark = true WHERE ref = %s", (REF.format(1),))
    with database.transaction() as connection:
        assert image_blobs.mark_unneeded(driver_connection(connection)) == 0

    tx.execute("UPDATE clean.images SET deleted_at = now()")
    with database.transaction() as connection:
        raw = driver_connection(connection)
        assert image_blobs.mark_unneeded(raw) == 1
        assert image_blobs.drop_unneeded(raw, keep_days=1, limit=10) == []
    with database.transaction() as connection:
        assert image_blobs.drop_unneeded(driver_connection(connection), keep_days=0, limit=10) == [BLOB.path]
    assert shown(tx, 1) == shown(tx, 2) == ("waiting", None, None, None)


def test_bytes_that_are_needed_again_are_unneeded_no_more(database, picture, tx):
    picture(1)
    (wanted,) = unsettled(database)
    record(database, Settled(wanted=wanted, state="ready", blob=BLOB))
    tx.execute("UPDATE integ.image_blobs SET unneeded_since = now()")
    record(database, Settled(wanted=wanted, state="ready", blob=BLOB))

    assert tx.execute("SELECT unneeded_since FROM integ.image_blobs").fetchone() == (None,)


def is_free(database, *, exclusive):
    try:
        with image_rows.store_lock(database, exclusive=exclusive):
            return True
    except RetryLater:
        return False


def test_many_store_at_once_and_nobody_while_it_is_cleaned_up(database):
    with image_rows.store_lock(database):
        assert is_free(database, exclusive=False)
        assert not is_free(database, exclusive=True)
    with image_rows.store_lock(database, exclusive=True):
        assert not is_free(database, exclusive=False)
    assert is_free(database, exclusive=True)
