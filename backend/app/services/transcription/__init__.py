"""Recordings to text: decoded, cut at pauses, recognised, and returned whole or as they become text."""
