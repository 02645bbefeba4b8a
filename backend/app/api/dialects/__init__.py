"""Translators of other protocols: messages in, messages out; no engine, no clock, no socket."""
