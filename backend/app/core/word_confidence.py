"""Which words of a final are doubted: the threshold that clients mark words by."""

DOUBTED_BELOW = 0.6
"""Confidence below which every second word is wrong (docs/decisions/0011, a table of confidence against errors)."""
