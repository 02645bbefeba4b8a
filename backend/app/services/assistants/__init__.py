"""Assistants: a model with instructions and tools, chosen like any other model."""
