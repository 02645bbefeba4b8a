"""PocketSphinx in worker processes, because it holds the GIL: `provider`, `stream` and `pool` here, `worker` there."""
