"""Settings: what is read from where, what is refused with which words, and that secrets stay in."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from onec_pipelines.errors import Stop
from onec_pipelines.settings import Settings, load_settings, project_root

SECRET = "canary-7f3a"
COMPLETE = {
    "ONEC_URL": "https://erp.example.com/ut/odata/standard.odata",
    "ONEC_USER": "odata",
    "ONEC_PASSWORD": SECRET,
    "ONEC_TIMEZONE": "Europe/Moscow",
    "ONEC_SYSTEM": "ut",
}


def refusal(environ: dict[str, str], **options: bool) -> str:
    with pytest.raises(Stop) as caught:
        load_settings(environ, **options)
    assert caught.value.code == "SETTINGS"
    return str(caught.value)


def test_the_four_values_that_lead_to_1c_are_enough() -> None:
    settings = load_settings(COMPLETE)
    assert (settings.url, settings.user, settings.system) == (COMPLETE["ONEC_URL"], "odata", "ut")
    assert settings.password.get_secret_value() == SECRET
    assert settings.zone.key == "Europe/Moscow"
    assert settings.home == project_root() / "var"
    tuning = (settings.max_sessions, settings.rate_per_second, settings.page_rows, settings.deadline_seconds)
    assert tuning == (4, 20.0, 1000, 180.0)


def test_tuning_is_typed() -> None:
    given = {
        "ONEC_MAX_SESSIONS": "2",
        "ONEC_RATE_PER_SECOND": "0.5",
        "ONEC_SESSION_MODE": "use",
        "ONEC_HOME": "/x",
    }
    settings = load_settings({**COMPLETE, **given})
    assert (settings.max_sessions, settings.rate_per_second, settings.session_mode) == (2, 0.5, "use")
    assert settings.home == Path("/x")


def test_trailing_slash_and_blanks_are_cut_from_the_url() -> None:
    settings = load_settings({**COMPLETE, "ONEC_URL": f" {COMPLETE['ONEC_URL']}/ "})
    assert settings.url == COMPLETE["ONEC_URL"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ONEC_URL", "https://erp.example.com/ut", "must end with /odata/standard.odata"),
        ("ONEC_URL", "ftp://erp.example.com/odata/standard.odata", "must be an http:// or https:// address"),
        ("ONEC_URL", "erp.example.com/ut/odata/standard.odata", "must be an http:// or https:// address"),
        ("ONEC_URL", "https://erp.example.com/ut/odata/standard.odata?$format=json", "must not hold a query"),
        ("ONEC_TIMEZONE", "Europe/Moskow", "did you mean Europe/Moscow?"),
        ("ONEC_TIMEZONE", "+03:00", "must be an IANA zone"),
        ("ONEC_TIMEZONE", "../etc/passwd", "must be an IANA zone"),
        ("ONEC_SYSTEM", "УТ", "a-z 0-9 _ -"),
        ("ONEC_SYSTEM", "x" * 41, "1 to 40"),
        ("ONEC_MAX_SESSIONS", "many", "ONEC_MAX_SESSIONS should be a valid integer"),
        ("ONEC_MAX_SESSIONS", "0", "ONEC_MAX_SESSIONS should be greater than or equal to 1"),
        ("ONEC_RATE_PER_SECOND", "nan", "ONEC_RATE_PER_SECOND should be"),
        ("ONEC_RATE_PER_SECOND", "0", "ONEC_RATE_PER_SECOND should be greater than 0"),
        ("ONEC_PAGE_ROWS", "1.5", "ONEC_PAGE_ROWS should be a valid integer"),
        ("ONEC_SESSION_MODE", "never", "should be 'auto', 'autouse' or 'use'"),
        ("ONEC_PASSWORD_FILE", "/nowhere/password", "ONEC_PASSWORD"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str, words: str) -> None:
    text = refusal({**COMPLETE, name: value})
    assert name in text
    assert words in text


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ONEC_URI", "ONEC_URL"),
        ("ONEC_PASWORD", "ONEC_PASSWORD"),
        ("ONEC_MAX_SESSION", "ONEC_MAX_SESSIONS"),
        ("onec_user", "ONEC_USER"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known(name: str, nearest: str) -> None:
    assert f"{name} is unknown, the nearest known name is {nearest}" in refusal({**COMPLETE, name: "x"})


def test_names_of_others_are_left_alone() -> None:
    assert load_settings({**COMPLETE, "HOME": "/x", "TWELVEC_URL": "x"}).system == "ut"


def test_everything_wrong_is_told_at_once() -> None:
    text = refusal({"ONEC_URL": "x", "ONEC_FOO": "1", "ONEC_TIMEZONE": "Mars/Base"})
    for name in ("ONEC_URL", "ONEC_FOO", "ONEC_TIMEZONE", "ONEC_USER", "ONEC_SYSTEM", "ONEC_PASSWORD"):
        assert name in text


def test_an_empty_value_is_a_missing_one() -> None:
    assert "ONEC_USER is missing" in refusal({**COMPLETE, "ONEC_USER": " "})


def test_an_empty_password_is_a_password_and_none_is_not() -> None:
    assert load_settings({**COMPLETE, "ONEC_PASSWORD": ""}).password.get_secret_value() == ""
    assert "ONEC_PASSWORD is missing" in refusal({k: v for k, v in COMPLETE.items() if k != "ONEC_PASSWORD"})


def test_without_1c_nothing_is_required_but_names_are_checked() -> None:
    assert load_settings({}, require_onec=False).url == ""
    assert "ONEC_FOO is unknown" in refusal({"ONEC_FOO": "1"}, require_onec=False)


def test_password_file_gives_the_password_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" with blanks \r\n", encoding="utf-8")
    given = {**COMPLETE, "ONEC_PASSWORD": "", "ONEC_PASSWORD_FILE": str(file)}
    assert load_settings(given).password.get_secret_value() == " with blanks "


def test_two_passwords_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("x", encoding="utf-8")
    assert "are both set" in refusal({**COMPLETE, "ONEC_PASSWORD_FILE": str(file)})


def test_secrets_never_print() -> None:
    url = f"postgresql://onec:{SECRET}@db/shop"
    settings = load_settings({**COMPLETE, "ONEC_DATABASE_URL": url})
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert SECRET not in shown
    assert settings.database_url.get_secret_value() == url


@pytest.mark.parametrize(
    "wrong",
    [
        {"ONEC_URL": f"https://odata:{SECRET}@erp.example.com/ut/odata/standard.odata"},
        {"ONEC_MAX_SESSIONS": SECRET},
        {"ONEC_PASSWORDS": SECRET},
        {"ONEC_SESSION_MODE": SECRET},
    ],
)
def test_a_refusal_never_shows_the_value(wrong: dict[str, str]) -> None:
    with pytest.raises(Stop) as caught:
        load_settings({**COMPLETE, **wrong})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(COMPLETE)
    with pytest.raises(ValidationError):
        settings.user = "another"  # type: ignore[misc]


def test_the_constructor_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a second way of reading would skip the check of the names."""
    monkeypatch.setenv("ONEC_USER", "from outside")
    assert Settings().user == ""


def test_settings_travel_to_another_process() -> None:
    settings = load_settings(COMPLETE)
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes


class TestDotEnv:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ONEC_ENV_FILE")
        monkeypatch.chdir(tmp_path)

    def write(self, path: Path, **changed: str) -> None:
        values = {**COMPLETE, **changed}
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")

    def test_the_file_of_the_working_directory_is_read(self) -> None:
        self.write(Path(".env"))
        assert load_settings().user == "odata"

    def test_the_environment_wins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write(Path(".env"))
        monkeypatch.setenv("ONEC_USER", "environment")
        assert load_settings().user == "environment"

    def test_a_password_of_the_process_wins_over_the_password_file_of_the_file(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.write(Path(".env"), ONEC_PASSWORD="", ONEC_PASSWORD_FILE="/nowhere")
        monkeypatch.setenv("ONEC_PASSWORD", "environment")
        assert load_settings().password.get_secret_value() == "environment"

    def test_a_daemon_finds_the_file_of_dagster_home(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "project").mkdir()
        self.write(tmp_path / "project" / ".env", ONEC_USER="project")
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "project"))
        assert load_settings().user == "project"

    def test_another_file_may_be_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write(Path(".env"))
        self.write(tmp_path / "second.env", ONEC_SYSTEM="second")
        monkeypatch.setenv("ONEC_ENV_FILE", str(tmp_path / "second.env"))
        assert load_settings().system == "second"

    def test_a_named_file_that_is_not_there_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ONEC_ENV_FILE", "/nowhere/.env")
        with pytest.raises(Stop, match=r"ONEC_ENV_FILE names /nowhere/\.env"):
            load_settings()

    def test_unknown_names_in_the_file_are_refused(self) -> None:
        self.write(Path(".env"), ONEC_HOEM="x")
        with pytest.raises(Stop, match="ONEC_HOEM is unknown, the nearest known name is ONEC_HOME"):
            load_settings()


def test_the_example_file_is_complete_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = (project_root() / ".env.example").read_text(encoding="utf-8")
    monkeypatch.setenv("ONEC_ENV_FILE", str(project_root() / ".env.example"))
    assert load_settings().system == "ut"
    for field in Settings.model_fields:
        assert f"ONEC_{field.upper()}=" in example


@pytest.mark.parametrize("hours", ["", "02:00-04:00", "23:30-00:15, 02:00-04:00"])
def test_quiet_hours_are_spans_of_a_clock(hours: str) -> None:
    assert load_settings({"ONEC_QUIET_HOURS": hours}, require_onec=False).quiet_hours == hours


@pytest.mark.parametrize("hours", ["2-4", "02:00", "25:00-26:00", "02:00-02:00", "night"])
def test_other_quiet_hours_are_refused(hours: str) -> None:
    with pytest.raises(Stop, match="ONEC_QUIET_HOURS"):
        load_settings({"ONEC_QUIET_HOURS": hours}, require_onec=False)
