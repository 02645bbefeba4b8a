"""Conversations of other products and of other servers: their files read, and stored as conversations of a user."""
