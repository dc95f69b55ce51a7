"""The folder of the Data Docs: one site an audit, a page that lists them, no more than a few kept. Plain files that need no internet.

Great Expectations' pages take styles and scripts from five servers of others; ours take nothing from anywhere.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from onec_pipelines.monitoring.expectations.model import Finding, Severity

FOLDER = "data_docs"
PREFIX = "audits"
"""Where the dashboard serves the folder."""
KEPT = 7
"""Sites that are kept; the oldest go."""

_EXTERNAL = re.compile(
    r"<link[^>]*href=[\"']https?://[^>]*>|<script.*?</script>|<img[^>]*https?://[^>]*>|<footer.*?</footer>"
    r"|url\([\"']?https?://[^)]*\)",
    re.IGNORECASE | re.DOTALL,
)
_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")
_STYLE = """<style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:75rem;padding:1rem}
a{color:#0969da}@media(prefers-color-scheme:dark){a{color:#6cb6ff}}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{border-bottom:1px solid #8884;padding:.35rem .6rem;text-align:left;vertical-align:top}
img{max-height:2.2rem}.d-none,.modal,.popover{display:none}
.fa-check-circle::before,.fa-circle-check::before{content:"✓";color:#1a7f37;font-weight:700}
.fa-times::before,.fa-xmark::before{content:"✗";color:#cf222e;font-weight:700}
.text-danger{color:#cf222e}.text-success{color:#1a7f37}
.fa-exclamation-triangle::before,.fa-triangle-exclamation::before{content:"!";color:#9a6700;font-weight:700}
.badge-info{border:1px solid #8888;border-radius:.4rem;padding:0 .3rem}
.btn-group,.card-text,.card.mb-3,a[data-toggle=collapse],.ge-breadcrumbs{display:none}.bad{color:#cf222e;font-weight:700}.odd{color:#9a6700;font-weight:700}
pre,code{white-space:pre-wrap;overflow-wrap:anywhere}ul{list-style:none;padding-left:0}
</style>"""


def new_folder(home: Path) -> Path:
    """A folder for the site of an audit that begins now."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (stamp, *(f"{stamp}-{number}" for number in range(1, 1000)))
    return next(home / FOLDER / name for name in names if not (home / FOLDER / name).exists())


def tidy(folder: Path) -> None:
    """Make the pages of a site whole in themselves: nothing is fetched from servers of others."""
    for page in folder.rglob("*.html"):
        shown = _EXTERNAL.sub("", page.read_text(encoding="utf-8"))
        page.write_text(shown.replace("</head>", f"{_STYLE}</head>", 1), encoding="utf-8")


def write_index(folder: Path, findings: Sequence[Finding]) -> Path:
    """The first page of a site: what failed with its remedy, then every table with a link to its page."""
    tables: dict[str, list[Finding]] = {}
    for one in findings:
        tables.setdefault(one.table, []).append(one)
    failed = sorted(
        (one for one in findings if not one.passed), key=lambda one: one.expectation.severity.value
    )
    rows = "".join(
        f"<tr><td class={'bad' if one.expectation.severity is Severity.ERROR else 'odd'}>"
        f"{one.expectation.severity.value}</td>{_cells(folder, one)}</tr>"
        for one in failed
    )
    heading = (
        "<tr><th></th><th>table</th><th>expected</th><th>rows</th><th>our ids</th><th>what to do</th></tr>"
    )
    listed = "".join(
        f"<tr><td>{_link(folder, table)}</td><td>{len(found)}</td>"
        f"<td>{sum(not one.passed for one in found) or ''}</td></tr>"
        for table, found in tables.items()
    )
    page = folder / "index.html"
    page.write_text(
        _page(
            "Audit of the shop's tables",
            f"<p>{len(findings)} expectations of {len(tables)} tables, {len(failed)} failed. {folder.name}</p>"
            + (f"<h2>Failed</h2><table id=failed>{heading}{rows}</table>" if failed else "")
            + "<h2>Tables</h2><table id=tables><tr><th>table</th><th>expectations</th><th>failed</th></tr>"
            + f"{listed}</table><p><a href='../index.html'>Earlier audits</a></p>",
        ),
        encoding="utf-8",
    )
    return page


def _cells(folder: Path, one: Finding) -> str:
    now = str(one.rows) if one.rows is not None else "" if one.observed is None else f"now {one.observed:.6g}"
    texts = (one.error or now, ", ".join(one.sample), one.expectation.remedy)
    shown = "".join(f"<td>{escape(text)}</td>" for text in texts)
    return f"<td>{_link(folder, one.table)}</td><td>{escape(one.expectation.words)}</td>{shown}"


def _link(folder: Path, table: str) -> str:
    pages = sorted((folder / "validations" / table.replace(".", "_")).rglob("*.html"))
    if not pages:
        return escape(table)
    return f'<a href="{escape(pages[-1].relative_to(folder).as_posix())}">{escape(table)}</a>'


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title>{_STYLE}</head><body><h1>{title}</h1>{body}</body></html>"
    )


def publish(home: Path) -> Path:
    """List the sites in one page, remove all but the newest, and give the page."""
    root = home / FOLDER
    sites = sorted(
        (one for one in root.iterdir() if one.is_dir() and _NAME.fullmatch(one.name)), reverse=True
    )
    for old in sites[KEPT:]:
        shutil.rmtree(old)
    items = "".join(
        f'<li><a href="{escape(one.name)}/index.html">{escape(one.name)}</a></li>' for one in sites[:KEPT]
    )
    page = root / "index.html"
    page.write_text(_page("Audits of the shop's tables", f"<ul>{items}</ul>"), encoding="utf-8")
    return page


def newest(home: Path) -> Path | None:
    """The index page of the latest site, None when there is none."""
    root = home / FOLDER
    pages = sorted(root.glob("*/index.html")) if root.is_dir() else []
    return pages[-1] if pages else None
