"""Who may use the server: passwords, tokens, keys, and what holds back those who guess."""
