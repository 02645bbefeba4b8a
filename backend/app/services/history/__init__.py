"""Stored dictations and conversations: recorded, listed, searched and exported."""
