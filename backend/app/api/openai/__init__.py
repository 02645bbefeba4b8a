"""The doors of OpenAI's API: everything under /v1."""
