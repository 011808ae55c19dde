"""Where the command `holdfast` begins: needs nothing but the standard library, to say what is missing."""

from __future__ import annotations

import importlib.util
import sys

_CONFIGURATION = 6
_NEEDED = ("click", "rich")


def main() -> None:
    """Run the command line, or say what to install."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"holdfast: the command line needs {' and '.join(missing)}: pip install 'holdfast[cli]'",
            file=sys.stderr,
        )
        raise SystemExit(_CONFIGURATION)
    from holdfast.cli.commands import holdfast

    holdfast(prog_name="holdfast")


if __name__ == "__main__":
    main()
