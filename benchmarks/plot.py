"""The plot, drawn by matplotlib in an environment of its own: `python plot.py DATA.json OUT.svg`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

COLOURS = {
    "Holdfast": "#1b6ca8",
    "DBOS": "#d9822b",
    "DBOS, file set to WAL": "#f0b97d",
    "Absurd": "#7a9e4f",
    "floor": "#b5b5b5",
}


def draw(panels: list[dict[str, Any]], target: Path) -> None:
    """Draw one panel of bars for each workload and store, on a logarithmic scale."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "holdfast", "font.size": 9})
    columns = 2
    rows = (len(panels) + columns - 1) // columns
    figure, axes = plt.subplots(rows, columns, figsize=(10, 1.9 * rows), squeeze=False, layout="constrained")
    for place, panel in zip(axes.flat, panels, strict=False):
        _bars(place, panel)
    for place in list(axes.flat)[len(panels) :]:
        place.set_visible(False)
    figure.savefig(target, metadata={"Date": None})


def _bars(place: Any, panel: dict[str, Any]) -> None:
    bars = panel["bars"][::-1]
    places = range(len(bars))
    drawn = place.barh(places, [bar["value"] for bar in bars], color=[COLOURS[bar["contender"]] for bar in bars])
    place.bar_label(drawn, labels=[bar["told"] for bar in bars], padding=3, fontsize=8)
    place.set_yticks(places, [bar["label"] for bar in bars], fontsize=8)
    place.set_xscale("log")
    place.margins(x=0.25)
    # Two lines, so that neighbours leave one another room.
    place.set_title(panel["title"].replace(": ", "\n", 1), fontsize=8, loc="left")
    place.spines[["top", "right"]].set_visible(False)
    place.tick_params(axis="x", labelsize=7)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
