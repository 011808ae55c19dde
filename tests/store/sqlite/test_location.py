from __future__ import annotations

import stat
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.store.sqlite.location import Location, file_system
from holdfast.store.sqlite.store import SqliteStore
from tests.helpers import ScriptProcess

UNWRITABLE = """
import os, tempfile
from holdfast.errors import ConfigurationError
from holdfast.store.sqlite.store import SqliteStore
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o555)
    store = SqliteStore(os.path.join(folder, "a.db"))
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        store.open()
    except ConfigurationError as error:
        print("refused:", error)
    os.seteuid(user)
    print("made:", os.listdir(folder))
"""
MOUNTS = """\
22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw
30 22 0:30 / /mnt rw - tmpfs tmpfs rw
31 30 0:31 / /mnt/my\\040share rw - nfs4 server:/export rw
32 22 0:32 / /home rw - ext4 /dev/vdb rw
33 22 0:33 / /home rw - cifs //server/home rw
"""


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///relative.db", Path.cwd() / "relative.db"),
        ("sqlite:///in/folder.db", Path.cwd() / "in/folder.db"),
        ("sqlite:////absolute/file.db", Path("/absolute/file.db")),
        ("plain.db", Path.cwd() / "plain.db"),
        (Path("/absolute/file.db"), Path("/absolute/file.db")),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        (":memory:", None),
    ],
)
def test_urls_and_paths_name_a_place(url: str | Path, path: Path | None) -> None:
    assert Location.from_url(url).path == path


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://host/db", "its scheme is 'mysql'"),
        ("sqlite://file.db", "sqlite:///file.db"),
        ("sqlite:///file.db?mode=ro", "no options"),
    ],
)
def test_a_url_that_can_not_be_meant_says_what_to_write(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Location.from_url(url)


def test_odd_characters_in_a_path_are_just_characters(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c%20é"
    folder.mkdir()
    store = SqliteStore(folder / "x?y.db")
    store.open()
    store.close()
    assert (folder / "x?y.db").stat().st_size > 0


def test_all_files_are_beside_the_database_that_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "a.db")
    store = SqliteStore(tmp_path / "link.db")
    store.open()
    assert (tmp_path / "real" / "a.db-wal").exists()
    assert store.location.beside("-wal") == tmp_path / "real" / "a.db-wal"
    assert {path.name for path in tmp_path.iterdir()} == {"real", "link.db"}
    store.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db")
    store.open()
    lock = store.lock_worker("w1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {"a.db", "a.db-wal", "a.db.workers"} <= set(modes)
    assert modes.pop("a.db.workers") == 0o700
    assert set(modes.values()) == {0o600}
    lock.release()
    store.close()


def test_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch(mode=0o640)
    (tmp_path / "a.db").chmod(0o640)
    store = SqliteStore(tmp_path / "a.db")
    store.open()
    store.close()
    assert stat.S_IMODE((tmp_path / "a.db").stat().st_mode) == 0o640


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="create it first"):
        SqliteStore(tmp_path / "missing" / "a.db").open()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder"):
        SqliteStore(tmp_path).open()


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(ConfigurationError, match=r"letter\.txt can't be used as a database"):
        SqliteStore(file).open()
    assert file.read_text().startswith("Dear")


def test_a_folder_that_is_not_writable_says_the_way_out() -> None:
    with ScriptProcess(UNWRITABLE) as process:
        said = process.finish()
    assert "make the folder writable" in said
    assert "made: []" in said


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/var/lib", "ext4"), ("/mnt/x", "tmpfs"), ("/mnt/my share/db", "nfs4"), ("/mnt2", "ext4"), ("/home/me", "cifs")],
)
def test_the_file_system_is_that_of_the_innermost_mount(tmp_path: Path, folder: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system(Path(folder), mounts) == kind


def test_where_the_system_does_not_say_nothing_is_known(tmp_path: Path) -> None:
    assert file_system(tmp_path, tmp_path / "missing") is None
