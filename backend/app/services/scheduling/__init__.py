"""Who decodes next: one scheduler owns the cores for every engine inside this process."""
