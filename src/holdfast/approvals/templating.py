"""The templates of mails and pages: everything escaped, invisible characters named, long values cut visibly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.approvals.decision import at_time
from holdfast.approvals.text import excerpt, pieces, spelled_out
from holdfast.errors import MissingExtra

if TYPE_CHECKING:
    from jinja2 import Environment


def templates(what: str) -> Environment:
    """Load the templates. Raises `MissingExtra`, naming `what` needs them."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    except ImportError:
        raise MissingExtra(what, "web") from None
    environment = Environment(
        loader=PackageLoader("holdfast.approvals"),
        # Text mails hold no markup, so there is nothing to escape in them.
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        at_time=at_time,
        code_groups=code_groups,
        excerpt=excerpt,
        pieces=pieces,
        quoted=quoted,
        spelled_out=spelled_out,
    )
    return environment


def code_groups(code: str) -> str:
    """Write a code so that it is easily read off: 123 456."""
    return f"{code[:3]} {code[3:]}"


def quoted(text: str, mark: str = "") -> str:
    """Put a mark before each line, so that no value can pass for the mail's own words; without one, make one line."""
    lines = text.splitlines()
    return "\n".join(f"{mark}{line}" for line in lines) if mark else " ".join(lines)
