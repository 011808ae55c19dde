"""One recorded journal against today's code, outside any application."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast import Holdfast, Verdict, options, recv, set_attributes, workflow
from holdfast.errors import ConfigurationError, UsageError
from holdfast.testing import histories, replay
from tests.engine.changing import bodies, deploy, go, named, suspended
from tests.engine.conftest import QUICK


def pays(amount: int) -> list[str]:
    done = [named("check"), named("pay", amount)]
    return [*done, named("mail")] if amount > 10 else done


@pytest.fixture
def history(sqlite_url: str) -> dict[str, Any]:
    """Run a workflow and export it."""
    with Holdfast(sqlite_url, config=QUICK) as app:
        deploy(pays, version="1")(20)
        return exported(app, app.list_workflows()[0].workflow_id)


def exported(app: Holdfast, workflow_id: str) -> dict[str, Any]:
    record, journal = app.get_workflow(workflow_id), app.get_journal(workflow_id)
    document = {"workflow": dataclasses.asdict(record), "journal": [dataclasses.asdict(each) for each in journal]}
    result: dict[str, Any] = json.loads(json.dumps(document))
    return result


def test_a_journal_fits_the_code_that_recorded_it_and_no_step_is_run(history: dict[str, Any]) -> None:
    bodies.clear()
    finding = replay(history)
    assert finding.verdict is Verdict.OK, finding
    assert bodies == []


def test_a_journal_is_read_from_a_file_too(history: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text(json.dumps(history))
    assert replay(file).verdict is Verdict.OK


def test_an_export_is_replayed(sqlite_url: str, tmp_path: Path) -> None:
    @workflow(name="replayed.export")
    def says() -> str:
        set_attributes(kind="odd")
        return named("check")

    file = tmp_path / "export.json"
    with Holdfast(sqlite_url, config=QUICK) as app:
        options(id="one").start(says).result(timeout=10)
        file.write_text(app.admin.export("one"))
        assert app.check(finished=1).ok
    assert replay(file).verdict is Verdict.OK
    with pytest.raises(UsageError, match="exported workflow"):
        replay({"workflows": []})


def test_records_of_an_application_are_replayed_as_they_are(sqlite_url: str) -> None:
    with Holdfast(sqlite_url, config=QUICK) as app:
        deploy(pays, version="1")(20)
        record = app.list_workflows()[0]
        assert replay((record, app.get_journal(record.workflow_id)), app=app).verdict is Verdict.OK


def test_the_first_divergence_is_explained(history: dict[str, Any]) -> None:
    def charges(amount: int) -> list[str]:
        return [named("check"), named("charge", amount)]

    finding = replay(history, workflow(name="charges", version="1")(charges))
    assert finding.verdict is Verdict.BLOCKED
    assert finding.step_id == "charge#1"
    assert "'pay#1'" in (finding.expected or "")
    assert "charge#1" in str(finding)


def test_other_arguments_are_a_divergence(history: dict[str, Any]) -> None:
    def pays_more(amount: int) -> list[str]:
        return [named("check"), named("pay", amount + 1), named("mail")]

    assert replay(history, workflow(name="pays_more", version="1")(pays_more)).verdict is Verdict.BLOCKED
    assert replay(history, workflow(name="pays_more", version="2")(pays_more)).verdict is Verdict.OK


def test_another_version_is_held_to_the_journal_where_the_test_says_so(history: dict[str, Any]) -> None:
    def leaves_out(amount: int) -> list[str]:
        return [named("check"), named("pay", amount)]

    newer = workflow(name="leaves_out", version="2")(leaves_out)
    assert replay(history, newer).verdict is Verdict.OTHER_OUTCOME
    assert replay(history, newer, strict=True).verdict is Verdict.BLOCKED


def test_a_journal_that_ends_in_a_wait_is_replayed_to_there(sqlite_url: str) -> None:
    def waits() -> list[str]:
        done = [named("a")]
        recv("go")
        return [*done, named("b")]

    with Holdfast(sqlite_url, config=QUICK) as app:
        workflow_id = suspended(app, deploy(waits, version="1"))
        half = exported(app, workflow_id)
        go(app, workflow_id)
        whole = exported(app, workflow_id)
    finding = replay(half)
    assert finding.verdict is Verdict.OK
    assert finding.step_id == "recv:go#1"
    assert replay(whole).verdict is Verdict.OK


class Reversing:
    """A payload codec whose texts nothing else can read."""

    def encode(self, text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    def decode(self, text: str) -> str:
        return base64.b64decode(text).decode()


def test_what_a_payload_codec_wrote_is_read_by_its_application(sqlite_url: str) -> None:
    app = Holdfast(sqlite_url, config=QUICK, payload_codec=Reversing())
    with app:
        deploy(pays, version="1")(20)
        history = exported(app, app.list_workflows()[0].workflow_id)
    assert replay(history, app=app).verdict is Verdict.OK
    assert replay(history).verdict is Verdict.UNREADABLE


def test_what_an_older_version_did_not_export_is_not_missed(history: dict[str, Any]) -> None:
    del history["workflow"]["queue"], history["workflow"]["epoch"]
    history["workflow"]["novelty"] = history["journal"][0]["novelty"] = 1
    assert replay(history).verdict is Verdict.OK


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("journal"),
        lambda document: document["workflow"].pop("input"),
        lambda document: document["workflow"].update(status="lost"),
        lambda document: document.update(journal=[3]),
    ],
    ids=["no journal", "no input", "unknown status", "no checkpoints"],
)
def test_what_is_no_history_is_refused(history: dict[str, Any], spoil: Callable[[dict[str, Any]], None]) -> None:
    spoil(history)
    with pytest.raises(UsageError, match="exported workflow"):
        replay(history)


def test_what_is_no_workflow_is_refused(history: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="@workflow"):
        replay(history, len)


def test_every_workflow_in_a_folder_of_exports_is_a_case(history: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "histories"
    (folder / "2026").mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps(history))
    (folder / "2026" / "many.json").write_text(json.dumps({"workflows": [history, history]}))
    (folder / "notes.txt").write_text("not an export")
    found = histories(folder)
    name = history["workflow"]["workflow_id"]
    assert [str(each) for each in found] == [f"many.json:{name}"] * 2 + [f"a.json:{name}"]
    assert {replay(each).verdict for each in found} == {Verdict.OK}


@pytest.mark.parametrize("content", [None, "[]", "{}", '{"workflows": [{}]}', "{"])
def test_a_folder_that_would_test_nothing_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "wrong.json").write_text(content)
    with pytest.raises(UsageError, match="export"):
        histories(tmp_path)
