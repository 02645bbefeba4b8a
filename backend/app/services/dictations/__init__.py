"""What was dictated: kept while it is said, and given back to its speaker, who may delete it."""
