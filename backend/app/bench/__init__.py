"""The benchmark: speaks to a server as people would, measures what they get, and reports it with its noise."""
