"""The live speech session: its messages, its utterances, its events, and how it resumes."""
