"""Recordings to text: decoded, cut at pauses, recognised behind those who speak, and told as they become text."""
