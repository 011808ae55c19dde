"""The command `holdfast` with all its commands."""

from __future__ import annotations

import logging

import click

from holdfast.cli.approvals import approvals
from holdfast.cli.changes import cancel_command, delete_command, resume_command, retry_command, send_command
from holdfast.cli.check import check_command, replay_command
from holdfast.cli.completion import completion_command
from holdfast.cli.doctor import doctor_command
from holdfast.cli.exits import Guarded
from holdfast.cli.moving import export_command, fork_command, import_command
from holdfast.cli.queues import queues
from holdfast.cli.retention import gc_command
from holdfast.cli.schedules import schedules
from holdfast.cli.schema import backup_command, migrate_command
from holdfast.cli.start import start_command
from holdfast.cli.stats import stats_command
from holdfast.cli.worker import worker_command
from holdfast.cli.workflows import list_command, show_command, watch_command


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="holdfast", message="%(prog)s %(version)s")
@click.pass_context
def holdfast(ctx: click.Context) -> None:
    """Durable execution: run workers, look at workflows, and act on them.

    The database is named by --url or HOLDFAST_URL, the application, where code is needed, by module:name. Every command
    but worker ends with one of these codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused, 5 database
    unavailable, 6 wrong configuration, 7 time is up, 70 a defect, 130 interrupted.
    """
    ctx.ensure_object(dict)
    logging.basicConfig(level=logging.WARNING, format="holdfast: %(message)s")


for _command in (
    worker_command,
    list_command,
    stats_command,
    show_command,
    watch_command,
    start_command,
    send_command,
    cancel_command,
    resume_command,
    retry_command,
    fork_command,
    delete_command,
    gc_command,
    export_command,
    import_command,
    approvals,
    queues,
    schedules,
    check_command,
    replay_command,
    migrate_command,
    doctor_command,
    backup_command,
    completion_command,
):
    holdfast.add_command(_command)
