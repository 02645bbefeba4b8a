"""Engines that speak text."""
