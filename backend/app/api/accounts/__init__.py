"""The doors of accounts: logging in and out, and API keys."""
