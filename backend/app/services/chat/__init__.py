"""Conversations with models, and their answers, which continue when the requests that started them end."""
