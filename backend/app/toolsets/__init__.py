"""What assistants can do: sets of typed functions behind a name."""
