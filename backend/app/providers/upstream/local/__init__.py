"""Model servers on this machine: finding them, and telling them apart."""
