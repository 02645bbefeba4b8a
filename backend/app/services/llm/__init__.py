"""Prompts to answers: which model, the answer on its way, and how it is put on the wire."""
