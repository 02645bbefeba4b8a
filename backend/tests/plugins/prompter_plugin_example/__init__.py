"""A third-party package with an engine of each kind; it imports nothing but `prompter`."""

from .parrot import ParrotProvider
from .sound_meter import SoundMeterProvider

__all__ = ["ParrotProvider", "SoundMeterProvider"]
