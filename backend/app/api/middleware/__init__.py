"""What stands before every route: the network guard, authentication, and permissions."""
