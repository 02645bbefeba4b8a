"""PocketSphinx in worker processes, because it holds the GIL: only `worker` and `recognizer` run in them."""
