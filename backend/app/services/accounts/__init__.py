"""Accounts: passwords, tokens, API keys, and a limit on guesses."""
