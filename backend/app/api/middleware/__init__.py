"""Middleware in front of every route: network checks, authentication and permissions."""
