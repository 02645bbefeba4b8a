"""Toolsets: sets of typed functions that assistants can call."""
