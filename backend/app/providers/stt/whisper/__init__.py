"""The parts of the local Whisper engine."""
