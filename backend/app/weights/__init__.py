"""Files of models on this machine: which there are, which one is used, and how one is fetched."""
