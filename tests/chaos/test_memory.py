"""A process that the kernel kills for want of memory."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Client, Status, WorkflowFilter
from holdfast.api.decorators import definition_of
from tests.chaos.hungry_programs import TRIES, chaos_meal
from tests.chaos.poison_programs import chaos_well
from tests.chaos.test_poison import deaths_until_the_end, migrated

PROGRAM = "from tests.chaos.hungry_programs import main; main()"
COUNT = 20
LIMIT = 256 << 20
"""Bytes. A worker needs less than a third of it."""


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with a limit of memory, of version 2 or 1."""
    name = f"holdfast-{secrets.token_hex(4)}"
    for root, mark, limit in (
        (Path("/sys/fs/cgroup"), "cgroup.controllers", "memory.max"),
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.limit_in_bytes"),
    ):
        made = root / name
        if not (root / mark).exists():
            continue
        try:
            made.mkdir()
            with (made / limit).open("r+") as file:
                file.write(str(LIMIT))
        except OSError:
            if made.exists():
                made.rmdir()
            continue
        yield made
        made.rmdir()
        return
    pytest.skip("no control group with a limit of memory can be made here: that takes root, and the memory controller")


def kills(group: Path) -> int:
    """Return how many processes of the group the kernel has killed."""
    counts = group / "memory.events"
    text = (counts if counts.exists() else group / "memory.oom_control").read_text()
    [found] = re.findall(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found)


def test_what_the_kernel_kills_for_want_of_memory_goes_on_in_the_next_process(
    store_url: str, group: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    with Client(migrated(store_url)) as client:
        for number in range(COUNT):
            client.options(id=f"well-{number}").start(definition_of(chaos_well).name, number)
        client.options(id="hungry").start(definition_of(chaos_meal).name, str(notes))
        store = client.engine.store
        assert deaths_until_the_end(PROGRAM, [store_url, str(group)], store) == kills(group) == TRIES - 1
        assert client.retrieve("hungry").result(10) == TRIES
        assert len(notes.read_text().splitlines()) == TRIES
        records = store.list_workflows(WorkflowFilter(limit=COUNT + 1))
        assert {each.status for each in records} == {Status.SUCCEEDED}
        assert sum(client.retrieve(f"well-{number}").result(10) for number in range(COUNT)) == sum(range(COUNT))
