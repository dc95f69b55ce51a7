"""What the README says exists, and what exists the README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onec_pipelines.cli import cli
from onec_pipelines.entities import ENTITIES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`onec {command}" in README


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_every_entity_is_in_the_readme_with_its_1c_object_and_table(entity) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| {entity.name} |"))
    assert entity.source.resources[0].removesuffix("_RecordType") in row
    assert f"`{entity.target.table}`" in row


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"make ([a-z-]+)", README))
    assert {"demo", "demo-once", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_every_local_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).is_file()
