"""The paged read against a small set behind a real web server that pages as 1C does, or fails to."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.onec.page_size import PageSize
from onec_pipelines.onec.paging import PageCursor, PagePolicy, PageRows, read_pages
from onec_pipelines.onec.query import SetQuery
from onec_pipelines_tests.fixtures.patience import until

FIXED = PagePolicy(rows=100, min_rows=10, max_rows=100, overlap=10)
QUERY = SetQuery(resource="Catalog_X")


@dataclass
class SmallBase:
    """A set of rows and the ways in which its server misbehaves.

    `before_page` runs before each page is made, `meanwhile` while its request is under way.
    """

    rows: list[str] = field(default_factory=list)
    width: int = 10
    ignores_skip: bool = False
    ignores_top: bool = False
    at_most: int | None = None
    memory_for: int | None = None
    meanwhile: Callable[[], object] = lambda: None
    counts: bool = True
    empty_once_at: int | None = None
    before_page: Callable[[int], None] = lambda _: None
    url: str = ""
    asked: list[tuple[int, int]] = field(default_factory=list)
    orders: set[str] = field(default_factory=set)
    running: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, target: str) -> tuple[int, bytes]:
        parts = urlsplit(target)
        if parts.path.endswith("/$count"):
            return (200, str(len(self.rows)).encode()) if self.counts else (501, b"")
        options = dict(parse_qsl(parts.query))
        skip, top = int(options["$skip"]), int(options["$top"])
        with self.lock:
            self.asked.append((skip, top))
            self.orders.add(options.get("$orderby", ""))
            self.running += 1
            self.most = max(self.most, self.running)
            self.before_page(skip)
            rows = self._page(skip, top)
        self.meanwhile()
        with self.lock:
            self.running -= 1
        if self.memory_for is not None and top > self.memory_for:
            return 500, error("Недостаточно памяти для получения результата запроса")
        value = [{"Ref_Key": row, "Text": "x" * self.width} for row in rows]
        return 200, json.dumps({"odata.metadata": "x", "value": value}).encode()

    def _page(self, skip: int, top: int) -> list[str]:
        if self.empty_once_at is not None and skip >= self.empty_once_at:
            self.empty_once_at = None
            return []
        skip = 0 if self.ignores_skip else skip
        top = len(self.rows) if self.ignores_top else top
        return self.rows[skip : skip + min(top, self.at_most or top)]


def error(text):
    return json.dumps({"odata.error": {"code": "-1", "message": {"lang": "ru", "value": text}}}).encode()


@pytest.fixture
def base_of():
    servers = []

    def make(number, **ways):
        base = SmallBase(rows=[f"key-{index:06}" for index in range(number)], **ways)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                status, body = base.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

            def handle(self):
                with contextlib.suppress(ConnectionError):  # clients may leave at any moment
                    super().handle()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        base.url = f"http://127.0.0.1:{server.server_port}/ut/odata/standard.odata"
        return base

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def rows_of(answer):
    try:
        keys = [row["Ref_Key"] for row in json.loads(answer.body)["value"]]
    except ValueError:
        raise RetryLater("it does not parse", code="ONEC_BAD_ANSWER") from None
    return PageRows(len(keys), keys[0] if keys else None, keys[-1] if keys else None, keys)


@pytest.fixture
def read(client_of):
    """Read a base whole: the pages and the proof."""

    def work(base, *, policy=FIXED, **options):
        client = client_of(base)
        with read_pages(client, QUERY, key=("Ref_Key",), rows_of=rows_of, policy=policy, **options) as pages:
            return list(pages), pages.completeness

    return work


def keys_of(pages):
    return {key for page in pages for key in page.rows.keys}


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("count", [True, False])
@pytest.mark.parametrize("number", [0, 1, 9, 10, 99, 100, 101, 190, 1000])
def test_every_row_is_read_whatever_the_size(base_of, read, number, count, parallel):
    base = base_of(number)

    pages, proof = read(base, count=count, parallel=parallel)

    assert keys_of(pages) == set(base.rows)
    assert (proof.distinct, proof.short_pages) == (number, 0)
    assert proof.verdict == ("complete" if count else "unproven")
    assert [page.index for page in pages] == list(range(len(pages)))


def test_pages_come_in_order_and_overlap(base_of, read):
    pages, _ = read(base_of(250), parallel=3)

    assert [(page.skip, page.top) for page in pages] == [(0, 100), (90, 100), (180, 100)]
    assert pages[1].rows.first_key == "key-000090"


def test_pages_are_ordered_by_the_full_key(base_of, client_of):
    base = base_of(30)

    list(read_pages(client_of(base), QUERY, key=("Ref_Key", "LineNumber"), rows_of=rows_of, policy=FIXED))

    assert base.orders == {"Ref_Key,LineNumber"}


def test_a_known_number_of_rows_saves_the_request_beyond_the_end(base_of, read):
    base = base_of(150)

    read(base)

    assert base.asked == [(0, 100), (90, 100)]


def test_no_more_requests_at_once_than_allowed_and_all_of_them_used(base_of, read):
    base = base_of(2000)
    base.meanwhile = lambda: until(lambda: base.most >= 3, pause=0.005)

    read(base, parallel=3)

    assert base.most == 3


def test_rows_deleted_before_a_page_make_no_row_be_missed(base_of, read):
    base = base_of(1000)

    def delete_some(skip):
        del base.rows[5:10]

    base.before_page = delete_some
    pages, proof = read(base)

    assert set(base.rows) <= keys_of(pages)
    assert proof.verdict == "complete"
    assert proof.changed


def test_rows_added_while_reading_are_read_too(base_of, read):
    base = base_of(500)

    def add_some(skip):
        if len(base.rows) < 540:
            base.rows += [f"new-{len(base.rows) + index}" for index in range(10)]

    base.before_page = add_some
    pages, proof = read(base)

    assert keys_of(pages) == set(base.rows)
    assert (proof.verdict, proof.changed) == ("complete", True)


@pytest.mark.parametrize("parallel", [1, 4])
def test_rows_added_after_the_last_page_was_made_are_read_too(base_of, read, parallel):
    base = base_of(400)
    answer, counted = base.answer, []

    def grows_before_the_second_count(target):
        if "$count" in target:
            counted.append(target)
            if len(counted) == 2:
                base.rows += [f"new-{index}" for index in range(10)]
        return answer(target)

    base.answer = grows_before_the_second_count
    pages, proof = read(base, parallel=parallel)

    assert keys_of(pages) == set(base.rows)
    assert (proof.count_before, proof.count_after, proof.verdict) == (400, 410, "complete")


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("count", [True, False])
def test_a_page_cut_short_by_the_server_is_not_taken_for_the_end(base_of, read, count, parallel):
    base = base_of(500, at_most=30)

    pages, proof = read(base, count=count, parallel=parallel)

    assert keys_of(pages) == set(base.rows)
    assert proof.short_pages > 0


@pytest.mark.parametrize("count", [True, False])
def test_an_empty_page_in_the_middle_is_not_taken_for_the_end(base_of, read, count):
    base = base_of(500, empty_once_at=150)

    pages, _ = read(base, count=count)

    assert keys_of(pages) == set(base.rows)


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("count", [True, False])
@pytest.mark.parametrize("policy", [FIXED, PagePolicy(rows=100, overlap=10)], ids=["fixed", "growing"])
def test_a_server_that_ignores_skip_is_found_out(base_of, read, policy, count, parallel):
    with pytest.raises(Stop) as caught:
        read(base_of(5000, ignores_skip=True), count=count, parallel=parallel, policy=policy)

    assert caught.value.code == "ONEC_SKIP_IGNORED"


def test_a_small_set_behind_a_server_that_ignores_skip_is_complete(base_of, read):
    pages, proof = read(base_of(60, ignores_skip=True), count=True)

    assert (len(keys_of(pages)), proof.verdict) == (60, "complete")


def test_a_server_that_ignores_top_gives_all_at_once(base_of, read):
    base = base_of(350, ignores_top=True)

    pages, proof = read(base)

    assert (len(pages), len(keys_of(pages)), proof.verdict) == (1, 350, "complete")


def test_a_page_that_comes_again_and_again_ends_the_read(base_of, read):
    base = base_of(2000)
    base._page = lambda skip, top: base.rows[min(skip, 270) : min(skip, 270) + top]

    with pytest.raises(Stop) as caught:
        read(base)

    assert caught.value.code == "ONEC_REPEATED_PAGE"


def test_rows_that_paging_never_shows_make_the_read_incomplete(base_of, read):
    base = base_of(500)
    shown = base.rows[:200] + base.rows[100:200] + base.rows[300:]
    base._page = lambda skip, top: shown[skip : skip + top]

    _, proof = read(base)

    assert (proof.verdict, proof.distinct) == ("incomplete", 400)
    assert "100 are missing" in proof.reason


def test_a_page_too_heavy_for_1c_is_asked_for_in_smaller_pieces_which_grow_again(base_of, read):
    base = base_of(3000, memory_for=60)

    def recover(skip):
        if skip > 500:
            base.memory_for = None

    base.before_page = recover
    pages, proof = read(base, policy=PagePolicy(rows=200, max_rows=200, overlap=10))

    assert keys_of(pages) == set(base.rows)
    assert 2 <= proof.shrunk_pages <= 4
    assert pages[0].top == 50
    assert max(page.top for page in pages[-3:]) > 100


def test_a_page_that_takes_too_long_is_asked_for_in_smaller_pieces(base_of, client_of, clock):
    base = base_of(100, width=2000)  # a whole page is more than one read of the socket
    answer = base.answer

    def slow(target):
        clock.ahead = 3600.0 if "$top=100" in target else 0.0
        return answer(target)

    def is_over(_call):
        clock.ahead = 0.0

    base.answer = slow
    client = client_of(base, observer=is_over)
    pages = list(read_pages(client, QUERY, key=("Ref_Key",), rows_of=rows_of, policy=FIXED))

    assert keys_of(pages) == set(base.rows)
    assert pages[0].top == 50


def test_a_page_that_cannot_be_made_small_enough_is_an_error(base_of, read):
    with pytest.raises(RetryLater) as caught:
        read(base_of(100, memory_for=1))

    assert caught.value.code == "ONEC_OUT_OF_MEMORY"


def test_pages_grow_to_the_size_that_is_aimed_at(base_of, read):
    base = base_of(4000, width=1000)
    policy = PagePolicy(rows=20, max_rows=5000, overlap=5, target_bytes=300_000)

    pages, _ = read(base, policy=policy)

    assert keys_of(pages) == set(base.rows)
    assert 250 <= pages[-2].top <= 300


@pytest.mark.parametrize("stop_after", [1, 2, 4])
def test_a_read_goes_on_from_its_checkpoint(base_of, client_of, stop_after):
    base = base_of(730)
    client = client_of(base)
    first = read_pages(client, QUERY, key=("Ref_Key",), rows_of=rows_of, policy=FIXED, parallel=2)
    seen = [next(first) for _ in range(stop_after)]
    first.close()

    rest = read_pages(client, QUERY, key=("Ref_Key",), rows_of=rows_of, policy=FIXED, start=seen[-1].next)
    pages = seen + list(rest)

    assert keys_of(pages) == set(base.rows)
    assert [page.index for page in pages] == list(range(len(pages)))
    assert (rest.completeness.verdict, rest.completeness.distinct) == ("complete", 730)
    assert rest.completeness.resumed


def test_a_checkpoint_is_plain_data(base_of, read):
    pages, _ = read(base_of(130))

    saved = json.loads(json.dumps(vars(pages[0].next)))

    assert PageCursor(**{**saved, "tail": tuple(saved["tail"])}) == pages[0].next


def test_a_page_that_does_not_parse_is_fetched_again(base_of, read):
    base = base_of(50)
    answer, broken = base.answer, [b'{"value": [1,]}']

    def once_broken(target):
        return (200, broken.pop()) if broken and "$skip" in target else answer(target)

    base.answer = once_broken
    pages, _ = read(base)

    assert keys_of(pages) == set(base.rows)


def test_leaving_early_asks_for_nothing_more(base_of, client_of):
    base = base_of(5000, meanwhile=lambda: time.sleep(0.01))
    with read_pages(
        client_of(base), QUERY, key=("Ref_Key",), rows_of=rows_of, policy=FIXED, parallel=2
    ) as pages:
        next(pages)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("onec-page")])

    assert len(base.asked) <= 4


def test_a_base_that_cannot_count_by_path_or_inline_is_an_error_and_not_an_empty_set(base_of, read):
    base = base_of(50, counts=False)
    base.answer = lambda target: (501, b"") if "$count" in target or "inlinecount" in target else (200, b"{}")

    with pytest.raises(Stop) as caught:
        read(base)

    assert caught.value.code == "ONEC_NOT_SUPPORTED"


def test_a_page_never_gets_smaller_than_allowed_or_larger_than_it_may():
    size = PageSize(PagePolicy(rows=100, min_rows=10, max_rows=1000))

    for _ in range(20):
        size.answered(size.rows, 10, 0.001)
    assert size.rows == 1000
    for _ in range(20):
        size.answered(size.rows, 10**9, 100.0)
    assert size.rows == 10
    assert not size.failed(10)


def test_a_failed_size_is_not_tried_again_at_once():
    size = PageSize(PagePolicy(rows=800, max_rows=800))

    assert size.failed(800)
    for _ in range(3):
        size.answered(400, 10, 0.001)
    assert size.rows == 400
    size.answered(400, 10, 0.001)
    assert size.rows == 500
