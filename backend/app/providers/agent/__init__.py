"""Runs of a model with tools. Only this package imports pydantic-ai, which is optional."""
