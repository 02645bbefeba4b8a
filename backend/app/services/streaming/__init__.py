"""Whole-window engines made to stream."""
