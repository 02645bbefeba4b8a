"""Text to speech: which engine and voice speak, and the stream of what they say."""
