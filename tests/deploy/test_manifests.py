"""What `deploy/` asks of the command line exists, and workers get the time that they need to end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from holdfast.cli.commands import holdfast
from tests.helpers import ROOT

DEPLOY = ROOT / "deploy"
FILES = sorted(DEPLOY.rglob("*.yaml"))


def documents() -> Iterator[tuple[Path, Any]]:
    for file in FILES:
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            yield file, document


def nodes(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
        for value in document.values():
            yield from nodes(value)
    elif isinstance(document, list):
        for value in document:
            yield from nodes(value)


def command_lines() -> list[tuple[str, list[str]]]:
    """Every command line of ours in the manifests and the Dockerfile."""
    found = [
        (file.name, [str(word) for word in words])
        for file, document in documents()
        for node in nodes(document)
        for words in (node.get("args"), node.get("command"))
        if isinstance(words, list) and words[0] in holdfast.commands
    ]
    docker = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    return [*found, ("Dockerfile", json.loads(re.findall(r"^CMD (.*)$", docker, re.MULTILINE)[0]))]


@pytest.mark.parametrize(("file", "words"), command_lines(), ids=lambda value: str(value)[:40])
def test_each_command_line_is_understood(file: str, words: list[str]) -> None:
    command = holdfast.commands[words[0]]
    arguments = [*words[1:], "--url", "sqlite://"] if any(each.name == "url" for each in command.params) else words[1:]
    context = command.make_context(words[0], arguments)
    assert isinstance(context, click.Context)


def test_all_the_files_say_something_to_our_command() -> None:
    assert {file for file, _ in command_lines()} == {
        "Dockerfile", "compose.yaml", "migrate.yaml", "scale-to-zero.yaml", "workers.yaml",
    }  # fmt: skip


def test_workers_are_given_more_time_than_they_need_to_end() -> None:
    checked = 0
    for _, document in documents():
        for node in nodes(document):
            grace = node.get("terminationGracePeriodSeconds") or str(node.get("stop_grace_period", "")).rstrip("s")
            words = [str(word) for each in nodes(node) for word in each.get("args") or each.get("command") or []]
            if grace and "--shutdown-timeout" in words:
                limit = float(words[words.index("--shutdown-timeout") + 1])
                # A closing worker waits for its steps, and then as long again for a database that is away.
                assert float(grace) > 2 * limit
                checked += 1
    assert checked == 2


def test_probes_ask_for_paths_that_are_there() -> None:
    paths = {node["httpGet"]["path"] for _, document in documents() for node in nodes(document) if "httpGet" in node}
    assert paths == {"/healthz", "/readyz"}


def test_no_password_stands_in_a_file() -> None:
    for file in [*FILES, DEPLOY / "Dockerfile"]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"://[^/@\s:]+:[^@\s]+@", text), file.name
        assert not re.search(r"PASSWORD: (?!\$\{)", text), file.name
