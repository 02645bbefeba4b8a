"""Conversations that are shown to others by link."""
