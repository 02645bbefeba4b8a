"""Where Whisper computes: the choice with a fake of CTranslate2's device query, and the fall-back to the CPU."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from app.core.config import Settings, SttSettings, WhisperSettings
from app.providers.stt.whisper.device import DeviceChoice, choose_device
from app.providers.stt.whisper.provider import WhisperLocalProvider
from tests.support.checkpoints import ENGLISH, Whisper, transcribe

GPU = frozenset({"float32", "float16", "int8", "int8_float32", "int8_float16", "bfloat16"})
OLD_GPU = frozenset({"float32", "int8", "int8_float32"})
CPU = frozenset({"int8", "int8_float32", "float32"})
OLD_CPU = frozenset({"float32"})


@dataclass
class FakeDevices:
    """What CTranslate2 would say on another machine."""

    cuda: int = 0
    formats: dict[str, Collection[str]] = field(default_factory=lambda: {"cpu": CPU, "cuda": GPU})
    failure: Exception | None = None

    def get_cuda_device_count(self) -> int:
        if self.failure:
            raise self.failure
        return self.cuda

    def get_supported_compute_types(self, device: str, device_index: int = 0) -> Collection[str]:
        assert device == "cpu" or self.cuda, "a device that is not there is asked"
        return self.formats[device]


NO_GPU = "the GPU cannot be used, there is no CUDA device"


@pytest.mark.parametrize(
    ("device", "compute_type", "devices", "choice"),
    [
        ("auto", "auto", FakeDevices(), DeviceChoice("cpu", "int8")),
        ("auto", "auto", FakeDevices(1), DeviceChoice("cuda", "float16")),
        ("auto", "int8_float16", FakeDevices(1), DeviceChoice("cuda", "int8_float16")),
        ("cpu", "auto", FakeDevices(1), DeviceChoice("cpu", "int8")),
        ("cpu", "float32", FakeDevices(1), DeviceChoice("cpu", "float32")),
        ("cuda", "auto", FakeDevices(2), DeviceChoice("cuda", "float16")),
        ("cuda", "auto", FakeDevices(), DeviceChoice("cpu", "int8", NO_GPU)),
        (
            "cuda",
            "float16",
            FakeDevices(),
            DeviceChoice("cpu", "int8", f"{NO_GPU}; this device does not compute in float16"),
        ),
        (
            "cuda",
            "int16",
            FakeDevices(1),
            DeviceChoice("cuda", "float16", "this device does not compute in int16"),
        ),
        (
            "cuda",
            "auto",
            FakeDevices(1, {"cpu": CPU, "cuda": OLD_GPU}),
            DeviceChoice("cuda", "int8_float32"),
        ),
        ("auto", "auto", FakeDevices(0, {"cpu": OLD_CPU}), DeviceChoice("cpu", "float32")),
        (
            "cuda",
            "auto",
            FakeDevices(failure=RuntimeError("CUDA driver version is insufficient\nat line 7")),
            DeviceChoice("cpu", "int8", "the GPU cannot be used, CUDA driver version is insufficient"),
        ),
        (
            "auto",
            "auto",
            FakeDevices(failure=RuntimeError("CUDA driver version is insufficient")),
            DeviceChoice("cpu", "int8"),
        ),
    ],
)
def test_device_and_number_format_follow_the_settings_as_far_as_the_machine_has_them(
    device: str, compute_type: str, devices: FakeDevices, choice: DeviceChoice
) -> None:
    settings = WhisperSettings.model_validate({"device": device, "compute_type": compute_type})
    assert choose_device(settings, devices) == choice


def make_provider(known: Whisper, devices: FakeDevices, device: str) -> WhisperLocalProvider:
    whisper = WhisperSettings.model_validate({"model": str(known.path), "device": device})
    settings = Settings(_env_file=None, stt=SttSettings(whisper_local=whisper))
    return WhisperLocalProvider(settings, devices)


@pytest.mark.parametrize("device", ["auto", "cuda"])
async def test_a_gpu_that_fails_is_replaced_by_the_cpu_and_that_is_said(
    known: Whisper, device: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The query names a GPU, and the weights cannot be loaded there: no driver, no library, no memory."""
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        pytest.skip("this machine has a GPU that works")
    provider = make_provider(known, FakeDevices(1), device)
    await provider.start()
    told = (await provider.status()).description
    assert "on the CPU (int8): the GPU cannot be used" in told
    assert "on the CPU (int8): the GPU cannot be used" in caplog.text
    assert (await transcribe(provider, known.english)).text == ENGLISH


async def test_what_a_decode_costs_is_measured_for_the_place_where_it_runs(known: Whisper) -> None:
    provider = make_provider(known, FakeDevices(), "auto")
    await provider.start()
    assert "cpu int8" in provider.cost_key(None)
    assert 0 < await provider.measure_cost(None) < 1
