"""The run of a model with tools, by pydantic-ai: the only rooms that know that library, which is optional."""
