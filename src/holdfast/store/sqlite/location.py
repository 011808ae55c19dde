"""Where the database is: the URL, and whether that place can hold a database that several processes write to."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from holdfast.core.data import dataclass
from holdfast.errors import ConfigurationError, StoreUnavailable

OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs",
        "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """A database file, or the memory of this process."""

    path: Path | None
    """Absolute; None for a database in memory."""

    @classmethod
    def from_url(cls, path_or_url: str | os.PathLike[str]) -> Location:
        """Take sqlite:///relative.db, sqlite:////absolute.db, sqlite:// or a path. Raises `ConfigurationError`."""
        text = os.fspath(path_or_url)
        scheme, separator, rest = text.partition("://")
        if separator:
            text = _path_of_url(text, scheme, rest)
        if text in {"", ":memory:"}:
            return cls(path=None)
        # SQLite keeps the log beside the file itself, not beside a link to it.
        return cls(path=Path(text).resolve())

    @property
    def in_memory(self) -> bool:
        """Tell whether the database is gone with the process."""
        return self.path is None

    @property
    def target(self) -> str:
        """The URI for sqlite3. It never creates the file: a deleted one is to be missed, not replaced."""
        return ":memory:" if self.path is None else f"{self.path.as_uri()}?mode=rw"

    def beside(self, suffix: str) -> Path:
        """Return the path of a file or folder that belongs to the database file."""
        if self.path is None:
            raise ValueError("a database in memory has no files")
        return self.path.with_name(self.path.name + suffix)

    def prepare(self) -> None:
        """Check the place and create the file, readable by its owner only. Raises `ConfigurationError`."""
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ConfigurationError(
                f"Python is linked with SQLite {sqlite3.sqlite_version}; Holdfast needs 3.37: use a newer Python"
            )
        if self.path is not None:
            _check_folder(self.path)
            _create(self.path)

    def exists(self) -> bool:
        """Tell whether the file is there; a database in memory always is."""
        return self.path is None or self.path.is_file()

    def identity(self) -> tuple[int, int] | None:
        """Tell which file this is. Raises `StoreUnavailable` if it is gone."""
        if self.path is None:
            return None
        try:
            found = os.stat(self.path)  # noqa: PTH116 - asked before every commit, and Path.stat takes twice as long
        except OSError as error:
            raise StoreUnavailable(f"the database file {self.path} is gone: {error.strerror}") from error
        return found.st_dev, found.st_ino


def _path_of_url(url: str, scheme: str, rest: str) -> str:
    if scheme != "sqlite":
        raise ConfigurationError(f"not an SQLite URL (sqlite:///file.db): its scheme is {scheme!r}")
    if "?" in rest:
        raise ConfigurationError(f"{url}: SQLite URLs take no options; give the path alone")
    if rest and not rest.startswith("/"):
        raise ConfigurationError(f"{url}: a relative path has three slashes, sqlite:///{rest}, an absolute one four")
    return rest.removeprefix("/")


def _check_folder(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder} for the database {path.name}: create it first")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise ConfigurationError(
            f"the folder {folder} is not writable: SQLite keeps its journal beside the database; "
            "make the folder writable for this user, or choose another one"
        )
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder: name a file in it, such as sqlite:///{path}/holdfast.db")
    kind = file_system(folder.resolve())
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"{folder} is on a network file system ({kind}), whose locks SQLite can't rely on: "
            "put the database on a local disk, or use PostgreSQL (postgresql://…) to share it between machines"
        )


def file_system(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the type of the file system that holds a folder, or None where the system does not say."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    best, kind = -1, None
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = fields.split()[4].encode("latin-1", "surrogateescape").decode("unicode_escape")
        # Of two mounts at one place the later one is on top.
        if folder.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), rest.split()[0]
    return kind


def _create(path: Path) -> None:
    """Create an empty file with mode 0600 unless there is one.

    It is made under another name, because closing a descriptor of a database file drops the locks that this process has
    on it, and another store of this process may have opened it already.
    """
    if path.exists():
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fresh.touch(mode=0o600)
        try:
            fresh.chmod(0o600)
            path.hardlink_to(fresh)
        finally:
            fresh.unlink(missing_ok=True)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigurationError(f"the database {path} can't be created: {error.strerror}") from error
