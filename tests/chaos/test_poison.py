"""One workflow that takes its process down, again and again, beside many that are well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from holdfast import Client, Status, WorkflowFilter
from holdfast.api.decorators import definition_of
from holdfast.store.base import Store
from holdfast.store.open import open_store
from tests.chaos.poison_programs import CONFIG, chaos_poison, chaos_well
from tests.helpers import ScriptProcess, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.crash]

PROGRAM = "from tests.chaos.poison_programs import main; main()"
COUNT = 1000


def test_a_workflow_that_crashes_is_set_aside_and_of_those_beside_it_none_is_lost_or_blamed(
    store_url: str,
) -> None:
    with Client(migrated(store_url)) as client:
        for number in range(COUNT):
            client.options(id=f"well-{number}").start(definition_of(chaos_well).name, number)
            if number == COUNT // 2:
                client.options(id="poison").start(definition_of(chaos_poison).name)
        store = client.engine.store
        deaths = deaths_until_the_end(PROGRAM, [store_url], store)
        records = {each.workflow_id: each for each in store.list_workflows(WorkflowFilter(limit=COUNT + 1))}
        poison = records.pop("poison")
        assert (poison.status, poison.crashes) == (Status.DEAD, deaths)
        # Once more than it may if others ran beside it the last time: a death in company convicts nobody.
        assert deaths in {CONFIG.crash_limit, CONFIG.crash_limit + 1}, "and no other workflow takes down any"
        assert Counter((each.status, each.crashes) for each in records.values()) == {(Status.SUCCEEDED, 0): COUNT}
        assert sum(client.retrieve(f"well-{number}").result(10) for number in range(COUNT)) == sum(range(COUNT))


def migrated(url: str) -> str:
    """Make the schema of a new database."""
    store = open_store(url)
    store.open()
    store.close()
    return url


def deaths_until_the_end(program: str, arguments: Sequence[str], store: Store) -> int:
    """Start a worker whenever the last one is dead, until nothing is left to do; count the dead."""
    deaths = 0
    while True:
        with ScriptProcess(program, arguments=arguments) as process:
            eventually(lambda: process.has_ended or is_over(store), timeout=120)
            if not process.has_ended:
                return deaths
        deaths += 1


def is_over(store: Store) -> bool:
    """Tell whether workers have nothing left to do."""
    return not any(is_under_way(each.status) for each in store.list_workflows(WorkflowFilter(limit=2000)))


def is_under_way(status: Status) -> bool:
    """Tell whether a worker has something left to do about it."""
    return not status.is_terminal and status not in {Status.DEAD, Status.BLOCKED}
