"""`python -m app.cli` is `prompter`."""

from app.cli.main import main

main()
