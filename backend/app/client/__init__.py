"""A client of the server in plain Python; `prompter` re-exports its names."""
