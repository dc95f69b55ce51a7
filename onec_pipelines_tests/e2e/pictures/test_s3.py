"""The image store in an S3-compatible bucket: moto's server over HTTP, s3fs as the extra `s3` installs it. Skipped without both."""

from __future__ import annotations

import hashlib
import os
import threading

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.pictures import fetch_pictures, image_store
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.store import ImageStore
from onec_pipelines_tests.fixtures.pipeline import environment, open_fast, query

s3fs = pytest.importorskip("s3fs")
pytest.importorskip("flask_cors")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint():
    """A server with one bucket, `pictures`."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }.items():
            patched.setenv(name, value)
        s3fs.S3FileSystem().mkdir("pictures")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(endpoint, request):
    return ImageStore(f"s3://pictures/{request.node.name}")


def put(store, body):
    with store.draft() as draft:
        draft.write(body)
        return store.keep(draft, "png")


def test_bytes_are_kept_once_read_back_and_removed(store):
    body = os.urandom(300_000)

    path = put(store, body)

    assert put(store, body) == path
    assert list(store.paths()) == [path]
    assert (store.size(path), store.digest(path)) == (len(body), hashlib.sha256(body).hexdigest())
    assert store.read(path) == body
    assert store.remove([path, path]) == 1
    assert (store.size(path), store.digest(path), list(store.paths())) == (None, None, [])


def test_many_writers_of_the_same_bytes_leave_one_whole_file(store):
    body = os.urandom(100_000)
    threads = [threading.Thread(target=put, args=(store, body)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (path,) = store.paths()
    assert store.digest(path) == hashlib.sha256(body).hexdigest()


def test_a_bucket_that_is_not_there_is_said(endpoint):
    with pytest.raises(Stop) as stop:
        put(ImageStore("s3://nobodys-bucket/x"), b"lost")

    assert stop.value.code == "IMAGE_STORE_MISSING"


def test_a_server_that_is_down_is_tried_again_later(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(RetryLater) as later:
        put(ImageStore("s3://pictures/down", skip_instance_cache=True), b"later")

    assert later.value.code == "IMAGE_STORE"


def test_pictures_of_a_base_come_into_the_bucket(endpoint, database_url, tmp_path):
    with Simulator.start_thread(products=40, seed=4, broken=False) as shop:
        variables = environment(shop, database_url, tmp_path, page_rows=1000)
        with open_fast({**variables, "ONEC_IMAGE_STORE": "s3://pictures/shop"}) as runtime:
            for name in ("categories", "products", "images"):
                inbound(BY_NAME[name], runtime)
            fetched = fetch_pictures(runtime)
            kept = image_store(runtime)

    blobs = query(database_url, "SELECT path, sha256 FROM integ.image_blobs ORDER BY 1")
    assert fetched.tally
    assert sorted(kept.paths()) == [path for path, _ in blobs]
    assert blobs
    assert all(kept.digest(path) == sha256 for path, sha256 in blobs)
