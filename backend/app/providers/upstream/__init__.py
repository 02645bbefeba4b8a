"""HTTP to other services: allowed addresses, vendors and their quirks, and their failures as our errors."""
