"""The routes of OpenAI's API: everything under /v1."""
