"""The local Whisper engine, by faster-whisper and CTranslate2."""
