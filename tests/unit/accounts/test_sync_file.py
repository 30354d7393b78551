"""``syncs.yaml``: what is wrong is named by line and field, before anything is applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from stripe_sync import ConfigurationError, read_sync_file

KEY = "rk_live_" + "51H8abcdefghijklmnop"


@pytest.mark.parametrize(
    ("text", "message", "param"),
    [
        ("", "line 1: a list named syncs is needed", None),
        ("syncs: {eu: {}}", "line 1: a list named syncs is needed", None),
        ("sincs: []\nsyncs: []", "line 1: sincs: unknown name: 'sincs' (did you mean 's", "sincs"),
        ("syncs:\n- eu", "line 2: syncs[0]: a sync is a mapping", "syncs[0]"),
        ("syncs:\n- mode: live", "line 2: syncs[0].name: it is missing", "syncs[0].name"),
        ("syncs:\n- name: EU", "line 2: syncs[0].name: the name of a sync", "syncs[0].name"),
        ("syncs:\n- name: 7", "line 2: syncs[0].name: Input should be a valid", "syncs[0].name"),
        (
            "syncs:\n- name: eu\n- name: us\n  colections: []",
            "line 4: syncs[1].colections: unknown name: 'colections' (did you mean 'collections'?)",
            "syncs[1].colections",
        ),
        (
            "syncs:\n- name: eu\n  collections:\n  - custmer",
            "line 3: syncs[0].collections: there is no collection 'custmer': did you mean customer",
            "syncs[0].collections",
        ),
        (
            "syncs:\n- name: eu\n  collections:\n  - customer\n  - 7",
            "line 5: syncs[0].collections[1]: Input should be",
            "syncs[0].collections[1]",
        ),
        (
            "syncs:\n- name: eu\n  settings:\n    max_age_day: 3",
            "line 3: syncs[0].settings: unknown sync setting: 'max_age_day' (did you mean 'max_age",
            "syncs[0].settings",
        ),
        (
            "syncs:\n- name: eu\n  settings:\n    redact: yes\n    max_age_days: soon",
            "line 5: syncs[0].settings.max_age_days: ",
            "syncs[0].settings.max_age_days",
        ),
        ("syncs:\n- {name: eu,\n   mode: prod}", "line 3: syncs[0].mode: ", "syncs[0].mode"),
        ("syncs:\n- {name: eu, enabled: 3}", "line 2: syncs[0].enabled: ", "syncs[0].enabled"),
        ("syncs:\n- name: eu\n  name: us", "line 3: syncs[0].name: this name is given twice", ...),
        ("syncs:\n- name: eu\n- name: eu", "line 3: syncs[1].name: this sync is declared tw", ...),
        ("syncs:\n- name: eu\n  external_id: ''", "line 3: syncs[0].external_id: ", ...),
        ("syncs:\n- name: eu\n   x: [a", "line 3: this is not YAML: ", None),
        ("syncs:\n- !!python/object/apply:os.getcwd []", "line 2: this is not YAML: ", None),
        ("syncs: [\0]", "is not YAML", None),
        ("syncs: " + "[" * 5_000, "is nested too deeply", None),
        ("syncs:\n- name: eu\n  metadata: &a {x: *a}", "line 3: syncs[0].metadata: an alias", ...),
        ("syncs:\n- name: eu\n  secret_key: x", "put the key into the sync's Airflow", ...),
    ],
)
def test_what_is_wrong_is_named_by_line_and_field(
    tmp_path: Path, text: str, message: str, param: object
) -> None:
    file = tmp_path / "syncs.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_sync_file(file)
    assert str(caught.value).startswith("syncs.yaml")
    assert message in str(caught.value)
    assert param is ... or caught.value.param == param


@pytest.mark.parametrize(
    "text",
    [
        f"syncs:\n- name: eu\n  api_key: {KEY}",
        f"syncs:\n- name: {KEY}",
        f"syncs:\n- name: eu\n  {KEY}: 1",
        f"syncs: [\n{KEY}",
        f"# {KEY}\nsyncs: []",
        "syncs:\n- name: eu\n  metadata: {hook: whsec_abcdef}",
    ],
)
def test_a_file_with_a_key_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "syncs.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"line \d: this looks like a key") as caught:
        read_sync_file(file)
    assert "51H8" not in str(caught.value)
    assert "abcdef" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml cannot be read: No such file"):
        read_sync_file(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"syncs: [{name: \xe9}]")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_sync_file(tmp_path / "latin.yaml")


def test_texts_stay_texts_and_anchors_are_shared(tmp_path: Path) -> None:
    file = tmp_path / "syncs.yaml"
    file.write_text("""
syncs:
  - &base
    name: no
    settings: {api_version: 2024-06-20}
    external_id: 2026-01-31
  - <<: *base
    name: off
    enabled: no
""")
    first, second = read_sync_file(file)
    assert (first.name, first.external_id, first.enabled) == ("no", "2026-01-31", None)
    assert (second.name, second.settings) == ("off", {"api_version": "2024-06-20"})
    assert second.enabled is False


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("010", 10), ("-5", -5), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("TRUE", True)),
        *((text, text) for text in ("12:30", "1:30.5", "1_000", "1.5.2", "trueblue", "falsehood")),
    ],
)
def test_numbers_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    file = tmp_path / "syncs.yaml"
    file.write_text(f"syncs:\n- name: eu\n  metadata: {{x: {text}}}")
    [sync] = read_sync_file(file)
    assert (sync.metadata["x"], type(sync.metadata["x"])) == (value, type(value))
