"""Decode workers on other machines: what a gateway asks of them, and what they do."""
