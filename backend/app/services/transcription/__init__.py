"""Recordings to text: decoded, cut at pauses, transcribed, and returned as a whole or in a stream."""
