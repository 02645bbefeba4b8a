"""`prompter worker`: decodes speech for the servers of a Ray cluster, until Ctrl-C."""

import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import REFUSED, CommandError, note_console, read_settings

if TYPE_CHECKING:
    from app.core.config import Settings


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
    os.environ["PROMPTER_DECODE__TIER"] = "ray"
    if ray is not None:
        os.environ["PROMPTER_DECODE__ADDRESS"] = ray
    if not os.environ.get("PROMPTER_DECODE__ADDRESS"):
        raise CommandError("a worker needs the address of a Ray cluster: --ray HOST:PORT", REFUSED)
    settings = read_settings()
    from app.core.logging import configure_logging

    configure_logging(settings.log_level, settings.log_format)
    _run(settings)


def _run(settings: "Settings") -> None:
    import anyio

    from app.core.errors import PrompterError

    try:
        anyio.run(_work, settings)
    except PrompterError as error:
        raise CommandError(error.message, REFUSED) from error


async def _work(settings: "Settings") -> None:
    import anyio

    from app.providers.tier.ray_worker import run_worker

    async with run_worker(settings, FACTORY) as name:
        note_console().print(f"{name} is there", markup=False)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                return
