"""What is kept: the only SQL; repositories take a session and give frozen dataclasses, never ORM objects."""
