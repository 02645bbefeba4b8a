"""The costs of engines on disk: measured once for each machine, checkpoint and way to decode, in the data folder."""

import json
import logging
import math
import os
import platform
import tempfile
from pathlib import Path
from typing import Any, TypeGuard

from app.services.decoding.admission import EngineCost

logger = logging.getLogger(__name__)

NAME = "engine_costs.json"
FORMAT = 2
MOST_MACHINES = 16
"""A data folder that moves between machines keeps this many; beyond that the oldest is forgotten."""


class CostFile:
    """Reads and writes the costs of this machine. Blocks; a file that cannot be read or written does no harm."""

    def __init__(self, folder: Path, machine: str) -> None:
        """`machine` tells machines apart: costs that were measured on another one are left alone."""
        self._path = folder / NAME
        self._machine = machine

    def read(self) -> dict[str, EngineCost]:
        """The costs that were written on this machine; none where the file is missing or damaged."""
        rows = self._read_machines().get(self._machine)
        if not isinstance(rows, dict):
            return {}
        return {engine: cost for engine, row in rows.items() if (cost := _parse_cost(row)) is not None}

    def write(self, costs: dict[str, EngineCost]) -> None:
        """Replace the costs of this machine."""
        machines = self._read_machines()
        machines.pop(self._machine, None)
        kept = dict(list(machines.items())[-(MOST_MACHINES - 1) :])
        rows = {
            engine: {
                "warm_up_rate": cost.warm_up_rate,
                "took_s": round(cost.took_s, 3),
                "speech_s": round(cost.speech_s, 3),
            }
            for engine, cost in costs.items()
            if cost != EngineCost()
        }
        try:
            _replace(self._path, {"format": FORMAT, "machines": {**kept, self._machine: rows}})
        except OSError as error:
            logger.warning(
                "the costs of engines cannot be stored: %s", error.strerror or type(error).__name__
            )

    def _read_machines(self) -> dict[str, Any]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):
            logger.warning("the file %r is damaged: engines are measured again", NAME)
            return {}
        machines = data.get("machines") if isinstance(data, dict) and data.get("format") == FORMAT else None
        return machines if isinstance(machines, dict) else {}


def _parse_cost(row: object) -> EngineCost | None:
    """One engine's row; None where it holds no cost."""
    if not isinstance(row, dict):
        return None
    warm_up_rate, took_s, speech_s = row.get("warm_up_rate"), row.get("took_s"), row.get("speech_s")
    if not _is_amount(took_s) or not _is_amount(speech_s):
        return None
    if warm_up_rate is not None and not (_is_amount(warm_up_rate) and warm_up_rate > 0):
        return None
    return EngineCost(warm_up_rate, took_s, speech_s)


def _is_amount(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _replace(path: Path, data: object) -> None:
    """Write a file as a whole: a reader finds the old one or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def describe_machine(cores: int) -> str:
    """What decides how fast this machine decodes: processor and cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(models, "") or platform.processor() or platform.machine()
    return f"{name}, {cores} cores"
