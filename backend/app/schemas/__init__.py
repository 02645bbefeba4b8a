"""The messages on the wire: one pydantic model each."""
