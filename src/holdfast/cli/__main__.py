"""`python -m holdfast.cli`: the same as the command `holdfast`."""

from __future__ import annotations

from holdfast.cli.entry import main

main()
