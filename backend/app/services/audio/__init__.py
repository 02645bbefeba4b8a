"""Voice activity detection, endpointing and resampling: from a session's audio to its utterances; pure."""
