"""Running workflows: `worker`, in this process or in several under a supervising parent."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace

import click

from holdfast.cli.endpoint import address_of
from holdfast.cli.exits import Exit
from holdfast.cli.logs import configure_logging
from holdfast.cli.output import json_option
from holdfast.cli.program import load_app
from holdfast.cli.reloading import Reloader
from holdfast.cli.supervisor import Supervisor
from holdfast.cli.worker_process import WorkerProcess

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """What a worker's process needs to know; travels to child processes as options."""

    target: str
    http: str | None
    exit_when_idle: bool
    idle_after: float
    shutdown_timeout: float | None
    log_level: str
    as_json: bool

    def command(self, slot: int, parent_fd: int) -> list[str]:
        """Write the command line of a child; each listens on a port of its own."""
        words = [sys.executable, "-m", "holdfast.cli", "worker", self.target, f"--log-level={self.log_level}"]
        if self.http is not None:
            host, port = address_of(self.http)
            words.append(f"--http={host}:{port + slot if port else 0}")
        if self.exit_when_idle:
            words += ["--exit-when-idle", f"--idle-after={self.idle_after!r}"]
        if self.shutdown_timeout is not None:
            words.append(f"--shutdown-timeout={self.shutdown_timeout!r}")
        if self.as_json:
            words.append("--json")
        return [*words, f"--parent-fd={parent_fd}"]


@click.command("worker")
@click.argument("target", metavar="MODULE:NAME")
@click.option("--processes", type=click.IntRange(1, 256), help="Run so many, and restart those that crash.")
@click.option("--reload", is_flag=True, help="For development: start anew when Python files below this folder change.")
@click.option(
    "--http", metavar="HOST:PORT", help="Serve /healthz, /readyz and /metrics; each process one port further."
)
@click.option(
    "--exit-when-idle", is_flag=True, help="End with code 0 once nothing is due or running: for scale to zero."
)
@click.option("--idle-after", type=click.FloatRange(min=0), default=5.0, show_default=True, metavar="SECONDS",
              help="How long nothing must have been due or running, nor become due.")  # fmt: skip
@click.option("--shutdown-timeout", type=click.FloatRange(min=0), metavar="SECONDS",
              help="How long running steps may take to end; default: the application's own setting.")  # fmt: skip
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--parent-fd", type=int, hidden=True)
@json_option
def worker_command(
    target: str, *, processes: int | None, reload: bool, parent_fd: int | None, **options: object
) -> None:
    """Run an application's workflows until SIGTERM or SIGINT.

    The application is named by its module and variable, such as shop.app:holdfast; its own URL says which database.
    A signal lets running steps end within the shutdown timeout, gives the rest back to the database, and ends with
    code 0; a second one ends at once, which loses nothing either.
    """
    settings = WorkerSettings(target=target, **options)  # type: ignore[arg-type]  # click's, named as the fields
    configure_logging(settings.log_level, as_json=settings.as_json)
    if settings.http is not None:
        address_of(settings.http)
    if processes is None and not reload:
        raise click.exceptions.Exit(_work(settings, parent_fd))
    supervisor = Supervisor(settings.command, processes or 1, keeps_finished=not settings.exit_when_idle)
    if reload:
        with Reloader(os.getcwd(), supervisor.restart_all):  # noqa: PTH109 - for a library that takes texts
            raise click.exceptions.Exit(supervisor.run(patient=True))
    raise click.exceptions.Exit(supervisor.run())


def _work(settings: WorkerSettings, parent_fd: int | None) -> Exit:
    app = load_app(settings.target)
    if settings.shutdown_timeout is not None:
        app.config = replace(app.config, shutdown_timeout=settings.shutdown_timeout)
    process = WorkerProcess(
        app,
        http=None if settings.http is None else address_of(settings.http),
        idle_after=settings.idle_after if settings.exit_when_idle else None,
        parent_fd=parent_fd,
    )
    return process.run()
