"""The image store: by content, once, whole or not at all; the same on a disk and in a bucket."""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from pathlib import Path

import pytest

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.store import ImageStore, path_of


@pytest.fixture(params=["disk", "bucket"])
def store(request, tmp_path):
    """`memory` stands for what is no disk: fsspec's own object store."""
    if request.param == "disk":
        return ImageStore(tmp_path / "images")
    return ImageStore(f"memory://{uuid.uuid4()}")


def put(store, body):
    with store.draft() as draft:
        for start in range(0, len(body), 3):
            draft.write(body[start : start + 3])
        return store.keep(draft, "png")


def test_bytes_are_found_by_their_hash(store):
    body = b"some picture"
    path = put(store, body)

    sha256 = hashlib.sha256(body).hexdigest()
    assert path == f"{sha256[:2]}/{sha256[2:4]}/{sha256}.png" == path_of(sha256, "png")
    assert store.read(path) == body
    assert store.size(path) == len(body)
    assert store.digest(path) == sha256


def test_the_same_bytes_are_stored_once(store):
    assert put(store, b"twice") == put(store, b"twice")
    assert len(list(store.paths())) == 1


def test_a_torn_file_is_replaced_by_the_whole_one(tmp_path):
    store = ImageStore(tmp_path)
    path = put(store, b"whole picture")
    (tmp_path / path).write_bytes(b"whole")

    assert put(store, b"whole picture") == path
    assert store.read(path) == b"whole picture"


def test_a_draft_that_is_not_kept_leaves_nothing(store):
    with store.draft() as draft:
        draft.write(b"half a pic")
        path = draft.path
        assert path.exists()

    assert not path.exists()
    assert list(store.paths()) == []


def test_drafts_of_killed_processes_go(tmp_path):
    store = ImageStore(tmp_path)
    put(store, b"kept")
    old, young = (tmp_path / ".incoming" / name for name in ("draft-old", "draft-young"))
    for each in (old, young):
        each.write_bytes(b"half")
    os.utime(old, (1, 1))

    assert store.forget_drafts() == 1
    assert young.exists()
    assert len(list(store.paths())) == 1


def test_removing_what_is_gone_is_no_error(store):
    path = put(store, b"gone soon")

    assert store.remove([path, path]) == 1
    assert store.size(path) is None
    assert store.digest(path) is None


def test_many_writers_of_the_same_bytes_leave_one_whole_file(store):
    body = os.urandom(300_000)
    threads = [threading.Thread(target=put, args=(store, body)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (path,) = store.paths()
    assert store.digest(path) == hashlib.sha256(body).hexdigest()


def test_files_of_a_disk_may_be_read_by_a_web_server(tmp_path):
    path = put(ImageStore(tmp_path), b"public")

    assert (tmp_path / path).stat().st_mode & 0o444 == 0o444


def test_a_place_of_an_unknown_kind_is_refused():
    with pytest.raises(Stop, match="ONEC_IMAGE_STORE"):
        ImageStore("gopher9://pictures")


def test_a_full_disk_says_what_to_do(tmp_path, monkeypatch):
    store = ImageStore(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Stop, match="gc") as stop:
        put(store, b"too much")
    assert stop.value.code == "IMAGE_STORE_FULL"


def test_a_store_that_fails_may_be_tried_again(monkeypatch):
    store = ImageStore(f"memory://{uuid.uuid4()}")

    def broken(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(store._files, "put_file", broken)
    with pytest.raises(RetryLater) as later:
        put(store, b"later")
    assert later.value.code == "IMAGE_STORE"
