"""Weights for whoever uses the server: what there is, what each gives, and downloads while it runs."""
