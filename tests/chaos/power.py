"""What a power failure leaves of the files of a process: rebuilt from the system calls that strace saw it make.

A disk keeps what was written before the last fsync of its file. Of what was written after that, each write may be there
or not, whatever its order; it may be cut off at a sector, or be zeros where the file has grown. A file that was removed
may come back, as long as its folder was not synced and no new file of its name was. These are the rules of a file
system such as ext4, on a disk that does what it says.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers import ROOT

SECTOR = 512
_CALLS = "pwrite64,write,ftruncate,fdatasync,fsync,unlink"
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
_FILE = r"(\d+)<((?:\\x[0-9a-f]{2})*)>"
_FORMS = {
    "pwrite64": re.compile(_FILE + r', "([^"]*)", \d+, (\d+)\) += (\d+)$'),
    "write": re.compile(_FILE + r', "([^"]*)", \d+\) += (\d+)$'),
    "ftruncate": re.compile(_FILE + r", (\d+)\) += 0$"),
    "fsync": re.compile(_FILE + r"\) += 0$"),
    "fdatasync": re.compile(_FILE + r"\) += 0$"),
    "unlink": re.compile(r'"([^"]*)"\) += 0$'),
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One system call that changed or synced a file of the folder, or printed something."""

    name: str
    path: str = ""
    offset: int = 0
    data: bytes = b""


def record(strace: str, module: str, arguments: Sequence[str], *, env: Mapping[str, str], folder: Path) -> list[Call]:
    """Run a program to its end; return its calls on files below the folder, and what it printed, in their order."""
    log = folder.with_suffix(".strace")
    command = [strace, "-f", "-qq", "-y", "-xx", "-s", "10000000", "-e", f"trace={_CALLS}", "-o", str(log)]
    subprocess.run(
        [*command, sys.executable, "-u", "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    with log.open(encoding="ascii") as lines:
        return [call for call in _parsed(lines) if call.name == "print" or call.path.startswith(str(folder))]


def _parsed(lines: Iterator[str]) -> Iterator[Call]:
    """Read strace's lines; a call that others came between counts when it ended."""
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            continue
        thread, resumed, name, rest = found.groups()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if resumed is not None:
            name, rest = resumed, begun.pop(thread) + rest
        call = _call(name, rest)
        if call is not None:
            yield call


def _call(name: str, rest: str) -> Call | None:
    form = _FORMS.get(name)
    found = form.match(rest) if form is not None else None
    if found is None:
        return None
    if name == "unlink":
        return Call(name=name, path=_text(found[1]))
    path = _text(found[2])
    if name == "pwrite64":
        return Call(name="write", path=path, data=_bytes(found[3])[: int(found[5])], offset=int(found[4]))
    if name == "write":
        printed = found[1] == "1"
        return Call(name="print" if printed else "append", path=path, data=_bytes(found[3])[: int(found[4])])
    if name == "ftruncate":
        return Call(name="truncate", path=path, offset=int(found[3]))
    return Call(name="sync", path=path)


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _text(escaped: str) -> str:
    return os.fsdecode(_bytes(escaped))


@dataclass
class Disk:
    """Files as a power failure at this moment may leave them."""

    certain: dict[str, bytes]
    """What is there whatever happens: synced, or there from the beginning."""
    pending: dict[str, list[Call]] = field(default_factory=dict)
    """Per file, what was done to it since it was last synced."""
    printed: list[str] = field(default_factory=list)
    """The lines that somebody has read."""

    def take(self, call: Call) -> None:
        """Carry a call out."""
        if call.name == "print":
            self.printed += call.data.decode().splitlines()
        elif call.name == "append":
            # An effect outside: the world that it changed loses no power.
            self.certain[call.path] = self.certain.get(call.path, b"") + call.data
        elif call.name == "sync":
            self._sync(call.path)
        elif not call.path.endswith("-shm"):  # made anew by whoever opens the database after a failure
            self.pending.setdefault(call.path, []).append(call)

    def _sync(self, path: str) -> None:
        calls = self.pending.pop(path, None)
        if calls is not None:
            self._settle(path, calls)
        for other in [each for each in self.pending if str(Path(each).parent) == path]:
            calls = self.pending[other]
            removed = max((place for place, call in enumerate(calls) if call.name == "unlink"), default=-1)
            if removed >= 0:
                self._settle(other, calls[: removed + 1])
                self.pending[other] = calls[removed + 1 :]

    def _settle(self, path: str, calls: Sequence[Call]) -> None:
        content = _applied(self.certain.get(path), calls)
        if content is None:
            self.certain.pop(path, None)
        else:
            self.certain[path] = content

    def killed(self) -> dict[str, bytes]:
        """Return the files as they are if the process alone is killed: nothing is lost."""
        return self._with(list)

    def cut_off(self) -> dict[str, bytes]:
        """Return the files as they are if nothing was kept that need not be."""
        return dict(self.certain)

    def torn(self, chance: random.Random) -> dict[str, bytes]:
        """Return the files as they are if chance decides what was kept, and how much of it."""
        return self._with(lambda calls: _some(calls, chance))

    def _with(self, choose: Callable[[Sequence[Call]], Sequence[Call]]) -> dict[str, bytes]:
        files = dict(self.certain)
        for path, calls in self.pending.items():
            content = _applied(files.get(path), choose(calls))
            if content is None:
                files.pop(path, None)
            else:
                files[path] = content
        return files


def _some(calls: Sequence[Call], chance: random.Random) -> list[Call]:
    kept: list[Call] = []
    for call in calls:
        how = chance.choice(("kept", "kept", "lost", "torn", "zeros"))
        if call.name == "unlink" and how == "lost":
            return kept  # nor is there any of the file that came after it under its name
        if how in {"kept", "torn"} and call.name == "write" and how == "torn":
            kept.append(Call(name="write", path=call.path, offset=call.offset, data=_torn(call.data, chance)))
        elif how == "zeros" and call.name == "write":
            kept.append(Call(name="grow", path=call.path, offset=call.offset + len(call.data)))
        elif how != "lost":
            kept.append(call)
    return kept


def _torn(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(0, len(data) // SECTOR + 1) * SECTOR]


def _applied(before: bytes | None, calls: Sequence[Call]) -> bytes | None:
    content = None if before is None else bytearray(before)
    for call in calls:
        if call.name == "unlink":
            content = None
            continue
        content = bytearray() if content is None else content
        end = call.offset + len(call.data)
        if call.name == "truncate":
            del content[call.offset :]
        content.extend(bytes(max(0, end - len(content))))
        if call.name == "write":
            content[call.offset : end] = call.data
    return None if content is None else bytes(content)
