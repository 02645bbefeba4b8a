"""Recordings to text: decoded, cut into windows at pauses, transcribed, and returned as a whole or in a stream."""
