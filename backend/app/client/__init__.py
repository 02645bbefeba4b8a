"""The Python client of the server; the package `prompter` exports its names."""
