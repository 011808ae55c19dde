from __future__ import annotations

import subprocess
import sys

import click
import pytest

from holdfast.cli import entry
from holdfast.cli.commands import holdfast
from tests.cli.conftest import Command
from tests.cli.reference import commands, page
from tests.helpers import ROOT

ALL = list(commands(holdfast))


def test_the_reference_is_what_the_commands_say() -> None:
    found = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert found == page(), "write it anew: python -m tests.cli.reference > docs/reference/cli.md"


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda value: "-".join(value) if type(value) is tuple else "")
def test_every_command_takes_json_and_says_what_each_option_does(
    words: tuple[str, ...], command: click.Command
) -> None:
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    assert "--json" in [name for option in options for name in option.opts]
    silent = {"--limit", "--log-level", "--timeout"}
    assert not [each.opts for each in options if not each.help and not silent & set(each.opts)]
    assert command.help


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_gives_a_script_for_the_shell(command: Command, shell: str) -> None:
    assert "_HOLDFAST_COMPLETE" in command("completion", shell)
    assert command.json("completion", shell)["shell"] == shell


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys, importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name in {'click', 'rich'} else find(name, *rest)\n"
        "from holdfast.cli.entry import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert done.stderr == "holdfast: the command line needs click and rich: pip install 'holdfast[cli]'\n"


def test_the_entry_point_is_the_one_that_is_installed() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'holdfast = "{entry.__name__}:{entry.main.__name__}"' in text


def test_the_version_is_told(command: Command) -> None:
    assert command("--version").startswith("holdfast ")
