"""The folder of the Data Docs: one site an audit, a page that lists them, no more than a few kept. Plain files that need no internet.

Great Expectations' pages take styles and scripts from five servers of others; ours take nothing from anywhere.
"""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from html import escape
from pathlib import Path

FOLDER = "data_docs"
KEPT = 7
"""Sites that are kept; the oldest go."""

_EXTERNAL = re.compile(
    r"<link[^>]*href=[\"']https?://[^>]*>|<script[^>]*src=[\"']https?://[^>]*>\s*</script>", re.IGNORECASE
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
    page.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Data Docs</title>'
        f"{_STYLE}</head><body><h1>Audits of the shop's tables</h1><ul>{items}</ul></body></html>",
        encoding="utf-8",
    )
    return page


def newest(home: Path) -> Path | None:
    """The index page of the latest site, None when there is none."""
    root = home / FOLDER
    pages = sorted(root.glob("*/index.html")) if root.is_dir() else []
    return pages[-1] if pages else None
