"""PocketSphinx in worker processes, since it holds the GIL: `stream` and `pool` here, `worker` over there."""
