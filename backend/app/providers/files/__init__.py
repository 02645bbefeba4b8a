"""Attached files: what they are, and their text and pictures, read in a process of its own."""
