"""Tools for testing workflows: kills at every point, skipped time, recorded ones against today's code.

Fixtures for pytest are in `holdfast.testing.plugin`, which pytest finds by itself.
"""

from holdfast.testing.crashes import Crash, CrashFailure, CrashReport, crash_everywhere
from holdfast.testing.effects import record_effect
from holdfast.testing.replay import RecordedHistory, histories, replay
from holdfast.testing.time_machine import TimeMachine

__all__ = [
    "Crash",
    "CrashFailure",
    "CrashReport",
    "RecordedHistory",
    "TimeMachine",
    "crash_everywhere",
    "histories",
    "record_effect",
    "replay",
]
