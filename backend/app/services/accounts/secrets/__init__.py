"""What proves who one is: passwords, tokens, keys, and the key that signs."""
