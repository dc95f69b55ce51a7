"""No kind of alert without a test that provokes it through a base or a hand, and none that docs/alerts.md does not tell of."""

from __future__ import annotations

import re
from pathlib import Path

import onec_pipelines
from onec_pipelines.settings import project_root

PACKAGE = Path(onec_pipelines.__file__).parent
SOURCES = (PACKAGE / "monitoring" / "alert_rules.py", PACKAGE / "defs" / "alert_events.py")
TESTS = Path(__file__).parents[2] / "e2e" / "monitoring"
# The kind is the first word of a finding of the ledger, and named in one that is made whole.
_KIND = re.compile(r'(?:_finding\(\s*|\bkind=)"([a-z_]+)"')


def kinds() -> set[str]:
    return {kind for file in SOURCES for kind in _KIND.findall(file.read_text(encoding="utf-8"))}


def test_every_kind_arrives_in_a_test_with_a_simulator():
    tests = "".join(
        (TESTS / name).read_text(encoding="utf-8") for name in ("test_alert_kinds.py", "test_alerts.py")
    )
    # Runs and checks are told under the name of what failed.
    begins = {kind: kind for kind in kinds()} | {"run_failed": "run", "check_failed": "check"}

    assert sorted(kind for kind, begin in begins.items() if not re.search(rf"[\"']{begin}\b", tests)) == []


def test_the_docs_tell_of_every_kind_and_of_no_other():
    text = (project_root() / "docs" / "alerts.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))

    assert told == kinds()
