"""Where Whisper computes and in which number format: what the settings ask for, as far as this machine has it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from app.core.config import WhisperSettings

Device = Literal["cpu", "cuda"]

PREFERRED: dict[Device, tuple[str, ...]] = {
    "cpu": ("int8", "int8_float32", "float32"),
    "cuda": ("float16", "int8_float16", "int8_float32", "float32"),
}
"""Number formats for `auto`, best first: on a CPU int8 is fastest, on a GPU float16 is as fast and exact."""


class DeviceQuery(Protocol):
    """What the package `ctranslate2` tells of this machine."""

    def get_cuda_device_count(self) -> int:
        """Number of CUDA devices; 0 also where its build has no CUDA."""
        ...

    def get_supported_compute_types(self, device: str, device_index: int = 0) -> Collection[str]:
        """Number formats in which this device computes fast.

        Raises:
            RuntimeError, ValueError: the device cannot be used.
        """
        ...


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Where and how to compute."""

    device: Device
    compute_type: str
    notice: str = ""
    """Why it is not what the settings ask for."""

    def __str__(self) -> str:
        place = "on the CPU" if self.device == "cpu" else "on the GPU"
        return f"{place} ({self.compute_type})" + (f": {self.notice}" if self.notice else "")


def choose_device(settings: WhisperSettings, query: DeviceQuery) -> DeviceChoice:
    """The device and the number format for these settings.

    `auto` is a CUDA device where there is one that can be used. What is not there is replaced, and the notice says so.
    """
    if settings.device == "cpu":
        return _choose_format("cpu", settings.compute_type, query)
    try:
        if query.get_cuda_device_count() > 0:
            return _choose_format("cuda", settings.compute_type, query)
        reason = "there is no CUDA device"
    except (RuntimeError, ValueError) as error:
        reason = shorten_reason(error)
    return fall_back(settings, query, reason if settings.device == "cuda" else "")


def fall_back(settings: WhisperSettings, query: DeviceQuery, reason: str) -> DeviceChoice:
    """The CPU in place of a CUDA device that is not there or cannot be used; no notice without a reason."""
    choice = _choose_format("cpu", settings.compute_type, query)
    if not reason:
        return choice
    notices = filter(None, (f"the GPU cannot be used, {reason}", choice.notice))
    return DeviceChoice("cpu", choice.compute_type, "; ".join(notices))


def shorten_reason(error: Exception) -> str:
    """The first line of an error of CTranslate2, short enough for a status."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 120 else f"{line[:117]}..."


def _choose_format(device: Device, wanted: str, query: DeviceQuery) -> DeviceChoice:
    supported = query.get_supported_compute_types(device)
    if wanted in supported:
        return DeviceChoice(device, wanted)
    best = next((each for each in PREFERRED[device] if each in supported), "default")
    notice = "" if wanted == "auto" else f"this device does not compute in {wanted}"
    return DeviceChoice(device, best, notice)
