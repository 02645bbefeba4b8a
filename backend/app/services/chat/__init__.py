"""Conversations with models: what is kept, what is sent, and answers that outlive the requests that began them."""
