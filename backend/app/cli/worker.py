"""`prompter worker`: decodes speech for the servers of a Ray cluster, until Ctrl-C."""

import logging
import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import REFUSED, CommandError, log_refusal, note_console, read_settings

if TYPE_CHECKING:
    from app.core.config import Settings

logger = logging.getLogger(__name__)

FACTORY = "app.services.tier.worker:DecodeWorker"
"""What decodes, in a process that Ray starts: this one stays small."""


def worker(
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Address of the Ray cluster (host:port); PROMPTER_DECODE__ADDRESS if left out.",
        ),
    ] = None,
) -> None:
    """Decode speech for the servers of a Ray cluster.

    It holds the speech models of this machine, and joins the cluster, with a Ray node of its own where this machine
    has none. Servers that are set to PROMPTER_DECODE__TIER=ray find it within seconds. PROMPTER_SCHEDULER__CORES says
    how many decodes run at a time.
    """
    if ray is not None:
        os.environ["PROMPTER_DECODE__ADDRESS"] = ray
    settings = read_settings()
    try:
        if not settings.decode.address:
            raise CommandError(
                "a worker needs the address of a Ray cluster: --ray HOST:PORT, or PROMPTER_DECODE__ADDRESS",
                REFUSED,
            )
        _run(settings)
    except CommandError as error:
        if settings.log_format != "json":
            raise
        raise typer.Exit(log_refusal(settings, error)) from error


def _run(settings: "Settings") -> None:
    import anyio

    from app.core.errors import PrompterError
    from app.core.logging import configure_logging

    configure_logging(settings.log_level, settings.log_format)
    try:
        anyio.run(_work, settings)
    except PrompterError as error:
        raise CommandError(error.message, REFUSED) from error


async def _work(settings: "Settings") -> None:
    """Run the worker until a signal, which may also come while it joins: a node of its own has to end with it."""
    import anyio

    try:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(_hold, settings)
                async for _ in signals:
                    group.cancel_scope.cancel()
                    break
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _hold(settings: "Settings") -> None:
    import anyio

    from app.providers.tier.ray_worker import run_worker

    async with run_worker(settings, FACTORY) as name:
        if settings.log_format == "json":
            logger.info("%s is there", name)
        else:
            note_console().print(f"{name} is there", markup=False)
        await anyio.sleep_forever()
