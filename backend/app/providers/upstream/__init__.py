"""HTTP to services of others: which addresses may be reached, and how their failures are told."""
