"""Staged packets: all bytes and entries or nothing, of any size, read back entry by entry."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger import exchange_nodes, packet_marks, packets
from onec_pipelines.ledger.packet_marks import Base, Mark
from onec_pipelines.ledger.packets import Arrived
from onec_pipelines.onec.packet_index import PacketIndex
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until

SYSTEM, PLAN = "test", "ExchangePlan_ДляODATA"
NODE = str(UUID(int=7))
NOW = datetime(2026, 6, 15, tzinfo=UTC)
HEAD = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0"'
    ' xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"'
    ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
)


def key(number):
    return str(UUID(int=number))


def entry(number, text="а", type_name="Catalog_X"):
    return (
        f"<entry><id>http://h/o/{type_name}(guid'{key(number)}')</id><category term='StandardODATA.{type_name}'/>"
        f"<content><m:properties><d:Text>{text}</d:Text></m:properties></content></entry>"
    )


def gone(number):
    return f"<at:deleted-entry ref=\"http://h/o/Catalog_X(guid'{key(number)}')\"/>"


def feed(*parts):
    return (HEAD + "".join(parts) + "</feed>").encode()


@pytest.fixture
def held(database):
    with exchange_nodes.lease(database, SYSTEM, PLAN, NODE, holder="test") as lease:
        with database.transaction() as connection:
            tx = driver_connection(connection)
            exchange_nodes.note_first(tx, lease, code="1", received_no=3, sent_no=3, holder="test")
        yield lease


def put(database, held, document, *, number=4, at=NOW):
    arrived = Arrived(
        message_no=number, requested_at=at, received_at=at + timedelta(seconds=1), elapsed_seconds=1.0
    )
    with database.transaction() as connection:
        tx = driver_connection(connection)
        state = exchange_nodes.guard(tx, held)
        return packets.stage(tx, held, state.epoch, arrived, io.BytesIO(document))


def state_of(tx):
    return exchange_nodes.find(tx, SYSTEM, PLAN, NODE)


def mark_of(tx, *, packet_id=0, entry_no=0):
    base = Base(job_id=1, begun_at=NOW, ended_at=NOW)
    return Mark(node=state_of(tx), base=base, packet_id=packet_id, entry_no=entry_no)


def test_a_packet_comes_back_as_it_was_entry_by_entry(database, held, tx):
    document = feed(entry(1, "один"), gone(2), entry(3, "три & больше".replace("&", "&amp;")))
    staged = put(database, held, document)

    assert staged.counts == {"Catalog_X": {"entry": 2, "deleted": 1}}
    assert staged.entries == 3
    rows = tx.execute(
        "SELECT piece_no, starts_at, length FROM raw.packet_entries ORDER BY entry_no"
    ).fetchall()
    assert b"".join(packets.read_entries(tx, staged.packet_id, rows)) == document
    only = b"".join(packets.read_entries(tx, staged.packet_id, rows[2:]))
    assert [one.key for one in PacketIndex().entries([only])] == [key(3)]


def test_a_packet_larger_than_a_piece_is_cut_between_entries(database, held, tx):
    document = feed(*(entry(number, "я" * 200_000) for number in range(12)))
    staged = put(database, held, document)

    assert tx.execute("SELECT count(*) > 2 FROM raw.packet_pieces").fetchone() == (True,)
    rows = tx.execute(
        "SELECT piece_no, starts_at, length FROM raw.packet_entries ORDER BY entry_no"
    ).fetchall()
    assert b"".join(packets.read_entries(tx, staged.packet_id, rows)) == document


@pytest.mark.parametrize(
    "document", [feed(entry(1), entry(2))[:-9], feed(entry(1), entry(2, "\x0b")), b"<a/>"]
)
def test_of_a_packet_that_is_not_whole_nothing_stays(document, database, held, tx):
    with pytest.raises(RetryLater):
        put(database, held, document)

    for table in ("packets", "packet_entries", "packet_pieces"):
        assert tx.execute(f"SELECT FROM raw.{table}".encode()).fetchall() == []


def test_equal_bytes_are_stored_once(database, held, tx):
    document = feed(entry(1))
    put(database, held, document)
    put(database, held, document)

    assert tx.execute("SELECT count(*) FROM raw.packets").fetchone() == (2,)
    assert tx.execute("SELECT count(*) FROM raw.packet_pieces").fetchone() == (1,)


def test_pending_gives_each_object_once_in_its_last_state_after_the_mark(database, held, tx):
    first = put(database, held, feed(entry(1), entry(2), entry(9, type_name="Catalog_Y"), entry(3)))
    second = put(database, held, feed(gone(2), entry(4), entry(2)), number=5)

    due = packet_marks.pending(tx, SYSTEM, "Catalog_X", mark_of(tx), limit=10)
    assert [(one.packet_id, one.key, one.kind) for one in due] == [
        (first.packet_id, key(1), "entry"),
        (first.packet_id, key(3), "entry"),
        (second.packet_id, key(4), "entry"),
        (second.packet_id, key(2), "entry"),
    ]
    later = packet_marks.pending(
        tx, SYSTEM, "Catalog_X", mark_of(tx, packet_id=first.packet_id, entry_no=1), limit=2
    )
    assert [one.key for one in later] == [key(3), key(4)]
    assert packet_marks.count_pending(tx, SYSTEM, "Catalog_X", mark_of(tx)) == 4


def test_packets_of_another_epoch_are_not_pending(database, held, tx):
    put(database, held, feed(entry(1)))
    with database.transaction() as connection:
        exchange_nodes.begin_epoch(driver_connection(connection), held, why="back", details={})

    assert packet_marks.pending(tx, SYSTEM, "Catalog_X", mark_of(tx), limit=10) == []
    assert packet_marks.newest_packet(tx, SYSTEM, state_of(tx)) == 0


def test_pruning_keeps_what_somebody_has_not_applied(database, held, tx):
    old = NOW - timedelta(days=100)
    ids = [put(database, held, feed(entry(number)), number=number, at=old).packet_id for number in (4, 5, 6)]
    packets.note_acknowledged(tx, held, 6)
    tx.execute("UPDATE raw.packets SET acknowledged_at = %s", (old,))
    packet_marks.write(tx, SYSTEM, "products", mark_of(tx, packet_id=ids[2]))
    packet_marks.write(tx, SYSTEM, "customers", mark_of(tx, packet_id=ids[1]))

    assert packets.prune(tx, SYSTEM, days=30) == 1
    assert tx.execute("SELECT min(id) FROM raw.packets").fetchone() == (ids[1],)
    assert tx.execute("SELECT count(*) FROM raw.packet_pieces").fetchone() == (2,)
    assert packets.prune_in(database, SYSTEM, days=30) == 0


def test_the_lease_ends_with_its_holder(database, database_url):
    """Killed, a holder leaves only its name behind."""
    program = (
        "import sys, time; from onec_pipelines.db.engine import connect; from onec_pipelines.ledger import exchange_nodes\n"
        "with connect(sys.argv[1]) as d, exchange_nodes.lease(d, 'test', sys.argv[2], sys.argv[3], holder='killed'):\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    lease = exchange_nodes.lease(database, SYSTEM, PLAN, NODE, holder="first")
    with lease as first, database.transaction() as connection:
        tx = driver_connection(connection)
        exchange_nodes.note_first(tx, first, code="1", received_no=3, sent_no=3, holder="first")
    other = subprocess.Popen(
        [sys.executable, "-c", program, database_url, PLAN, NODE], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(RetryLater, match="killed since"):
        exchange_nodes.lease(database, SYSTEM, PLAN, NODE, holder="me").__enter__()
    other.kill()
    other.wait(PATIENCE_SECONDS)
    other.stdout.close()

    assert freed(database) == "me"


def freed(database):
    """PostgreSQL notices a dead client at its next word, which takes a moment."""
    holders = []

    def is_freed():
        try:
            lease = exchange_nodes.lease(database, SYSTEM, PLAN, NODE, holder="me")
            with lease as mine, database.transaction() as connection:
                holders.append(exchange_nodes.guard(driver_connection(connection), mine).holder)
        except RetryLater:
            return False
        return True

    until(is_freed, pause=0.01)
    return holders[0]


def test_a_large_packet_takes_little_memory(database_url):
    """100 MB of packet in far less memory: one piece and one entry at a time, and the index by COPY."""
    program = """
import io, resource, sys
from datetime import UTC, datetime
from tempfile import TemporaryFile
from uuid import UUID
from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.ledger import exchange_nodes, packets
from onec_pipelines.ledger.packets import Arrived
head = '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
text = "0123456789abcdef" * 600
with TemporaryFile() as file, connect(sys.argv[1]) as database:
    file.write(head.encode())
    for number in range(int(sys.argv[2])):
        file.write(f"<entry><id>http://h/o/Catalog_X(guid'{UUID(int=number)}')</id><content><m:properties><a>{text}</a></m:properties></content></entry>".encode())
    file.write(b"</feed>")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with exchange_nodes.lease(database, "t", "P", str(UUID(int=1)), holder="h") as lease, database.transaction() as connection:
        tx = driver_connection(connection)
        exchange_nodes.note_first(tx, lease, code="1", received_no=1, sent_no=1, holder="h")
        now = datetime.now(UTC)
        staged = packets.stage(tx, lease, 1, Arrived(message_no=2, requested_at=now, received_at=now, elapsed_seconds=1), file)
    print(staged.entries, staged.raw_bytes // 1_000_000, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, database_url, "10000"], capture_output=True, text=True, check=True
    )
    entries, megabytes, grown = map(int, done.stdout.split())

    assert entries == 10_000
    assert megabytes > 90
    assert grown < 40
