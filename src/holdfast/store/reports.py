"""The reports that a store itself writes for a workflow it sets aside. Pure."""

from __future__ import annotations

import json


def crash_report(crashes: int, worker_id: str) -> str:
    """Say why a workflow is dead, as JSON."""
    times = "once" if crashes == 1 else f"{crashes} times"
    return json.dumps(
        {"reason": f"its worker died {times} while it was running", "crashes": crashes, "last_worker": worker_id}
    )
