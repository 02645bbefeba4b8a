"""Model files on this machine: which ones there are, which one is used, and how one is downloaded."""
