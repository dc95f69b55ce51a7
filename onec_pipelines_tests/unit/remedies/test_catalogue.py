"""Every code that the package raises has an entry, and every foreign code leads to one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import onec_pipelines
from onec_pipelines.db.errors import _BY_SQLSTATE, _OTHERWISE, _REFUSED_FOR_GOOD
from onec_pipelines.ledger.retry_policy import _DATABASE_AT_FAULT, _NOT_ITS_FAULT
from onec_pipelines.monitoring.remedy_docs import render
from onec_pipelines.onec.error_rules import RULES
from onec_pipelines.remedies import Severity, catalogue, foreign, remedy_of
from onec_pipelines.settings import project_root

PACKAGE = Path(onec_pipelines.__file__).parent
# `code="X"`, a constant such as `CODE = "X"`, and helpers that take the code first or second: `_refused("X", …)`.
_RAISED = re.compile(
    r"""(?:\bcode=|^[A-Z_]*CODE(?::[^=\n]+)? = |_refused\(\s*(?:\w+,\s*)?)["']([A-Z][A-Z0-9]*_[A-Z0-9_]+|SETTINGS)["']""",
    re.MULTILINE,
)


def raised_codes() -> set[str]:
    found: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        if "simulator" not in file.relative_to(PACKAGE).parts:
            found |= set(_RAISED.findall(file.read_text(encoding="utf-8")))
    database = {code for _, code, _ in (*_BY_SQLSTATE.values(), _OTHERWISE)} | set(_REFUSED_FOR_GOOD.values())
    return found | {rule.code for rule in RULES} | database | _NOT_ITS_FAULT | _DATABASE_AT_FAULT


def test_every_code_that_is_raised_has_an_entry():
    assert sorted(raised_codes() - catalogue().keys()) == []


def test_every_foreign_code_leads_to_an_entry():
    assert sorted(set(foreign().values()) - catalogue().keys()) == []


@pytest.mark.parametrize("remedy", catalogue().values(), ids=lambda remedy: remedy.code)
def test_an_entry_says_everything_in_both_languages(remedy):
    for words in (remedy.en, remedy.ru):
        assert all(len(text) > 5 for text in (words.title, words.cause, words.remedy))
    assert not re.search("[А-Яа-я]", remedy.en.title)
    assert re.search("[А-Яа-я]", remedy.ru.title)
    assert re.search("[А-Яа-я]", remedy.ru.remedy)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("onec_auth", "ONEC_AUTH"),
        ("odata:20", "ONEC_RIGHTS"),
        ("406", "ONEC_POOL_FULL"),
        ("53100", "DB_DISK_FULL"),
        ("40p01", "DB_CONFLICT"),
        ("-1", "ONEC_HANDLER"),
    ],
)
def test_an_entry_is_found_by_our_code_and_by_foreign_ones(asked, code):
    found = remedy_of(asked)
    assert found is not None
    assert found.code == code


def test_an_unknown_code_has_no_entry():
    assert remedy_of("NO_SUCH_CODE") is None


def test_what_locks_accounts_or_loses_data_is_critical():
    for code in ("ONEC_AUTH", "DELETION_BRAKE", "DB_DISK_FULL", "ONEC_PACKET_BROKEN"):
        assert catalogue()[code].severity is Severity.CRITICAL


def test_the_search_finds_codes_in_every_way_of_writing_them():
    """Else a code could be raised without an entry."""
    for text in (
        'code="A_B"',
        'CODE = "A_B"',
        'BRAKE_CODE: str = "A_B"',
        '_refused("A_B", ',
        '_refused(\n    wanted, "A_B", ',
    ):
        assert _RAISED.findall(text) == ["A_B"]


def test_no_code_stands_in_two_files():
    files = [
        tomllib.loads(path.read_text(encoding="utf-8")) for path in (PACKAGE / "remedies").glob("*.toml")
    ]
    codes = [code for entries in files for code in entries if code.isupper()]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize(("language", "name"), [("en", "remedies.md"), ("ru", "remedies.ru.md")])
def test_the_committed_docs_are_what_the_catalogue_says(language, name):
    """`onec remedy --export` writes them anew."""
    assert (project_root() / "docs" / name).read_text(encoding="utf-8") == render(language)
