"""Every Python block in README.md and docs/ runs as its reader would run it.

The blocks of a page, one after another, make one program. It is run in a process and an empty folder of its own,
and its line numbers are those of the page. HTML comments on the line above a block change that:

- `<!-- no-run: reason -->` leaves the block out, and the reason is printed at the end of the test run;
- `<!-- file: name.py -->` saves the block under that name first, for the page's program to import;
- `<!-- output -->` above a block of another language: the page's program prints exactly that, in this order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import ROOT, run_script

PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if path.exists()]

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
_MARK = re.compile(r"<!--\s*(?P<word>no-run|file|output)(?::\s*(?P<text>.*?))?\s*-->\s*$")


@dataclass(frozen=True, kw_only=True)
class Block:
    language: str
    code: str
    line: int
    """Of the page, where the code begins; the first is 1."""
    mark: str
    mark_text: str


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a page, each with the mark above it."""
    return [_block(text, match) for match in _FENCE.finditer(text)]


def _block(text: str, match: re.Match[str]) -> Block:
    mark = _MARK.search(text[: match.start()].rstrip().rpartition("\n")[2])
    indent = match["indent"]
    return Block(
        language=match["language"],
        code="".join(line.removeprefix(indent) for line in match["code"].splitlines(keepends=True)),
        line=text.count("\n", 0, match.start("code")) + 1,
        mark=mark["word"] if mark else "",
        mark_text=(mark["text"] or "") if mark else "",
    )


def program_of(blocks: list[Block]) -> str:
    """Join the blocks that are to run; empty lines keep each on its line of the page."""
    program = ""
    for block in blocks:
        if block.language == "python" and not block.mark:
            program += "\n" * (block.line - 1 - program.count("\n")) + block.code
    return program


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_on_the_page_runs(page: Path, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    for block in blocks:
        if block.mark == "no-run":
            assert block.mark_text, f"{page.name}:{block.line}: no-run needs its reason"
            record_property("not run", f"{page.relative_to(ROOT)}:{block.line}: {block.mark_text}")
        elif block.mark == "file":
            (tmp_path / block.mark_text).write_text(block.code, encoding="utf-8")
    program = tmp_path / page.with_suffix(".py").name
    program.write_text(program_of(blocks), encoding="utf-8")
    printed = run_script(program, cwd=tmp_path)
    position = 0
    for block in blocks:
        if block.mark == "output":
            expected = block.code.strip()
            position = printed.find(expected, position)
            assert position >= 0, f"{page.name}:{block.line}: not printed in this order:\n{expected}\n---\n{printed}"
            position += len(expected)


PAGE = """\
# Title

```python
x = 1
```

<!-- no-run: it would wait for ever -->

```python
wait()
```

- in a list

  ```python
  print(x)
  ```

<!-- output -->
```text
1
```
"""


def test_blocks_keep_their_lines_and_their_marks() -> None:
    blocks = blocks_of(PAGE)
    assert [(block.language, block.line, block.mark) for block in blocks] == [
        ("python", 4, ""),
        ("python", 10, "no-run"),
        ("python", 16, ""),
        ("text", 21, "output"),
    ]
    assert blocks[1].mark_text == "it would wait for ever"


def test_the_program_of_a_page_has_the_lines_of_the_page() -> None:
    program = program_of(blocks_of(PAGE))
    assert program.splitlines()[3] == "x = 1"
    assert program.splitlines()[15] == "print(x)"
    assert "wait()" not in program
