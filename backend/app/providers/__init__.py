"""Engines behind a name: speech to text, language models, upstreams, agents and media."""
