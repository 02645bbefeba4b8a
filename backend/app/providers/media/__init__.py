"""Recordings of any usual container as 16 kHz mono, decoded where a hostile file can do no harm."""
