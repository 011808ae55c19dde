"""Ids are unique, ordered by time, and not shared with a child process."""

from __future__ import annotations

import os
import uuid

from holdfast.runtime.ids import time_ordered_id


def test_ids_are_unique_uuids_of_version_7() -> None:
    made = [time_ordered_id() for _ in range(2000)]
    assert len(set(made)) == len(made)
    assert {uuid.UUID(one).version for one in made} == {7}
    assert all(str(uuid.UUID(one)) == one for one in made)
    assert {uuid.UUID(one).variant for one in made} == {uuid.RFC_4122}


def test_a_forked_child_does_not_make_its_parent_s_ids() -> None:
    time_ordered_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(time_ordered_id()[15:] for _ in range(300)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    drawn = os.read(reading, 1 << 16).decode()
    os.close(reading)
    os.close(writing)
    assert not any(time_ordered_id()[15:] in drawn for _ in range(300))
