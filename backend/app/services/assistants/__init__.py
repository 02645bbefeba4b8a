"""Assistants: models with instructions and tools, which clients choose like any other model."""
