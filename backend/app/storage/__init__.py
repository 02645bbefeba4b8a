"""The database and the only SQL. Repositories take a session and return frozen dataclasses, never ORM objects."""
