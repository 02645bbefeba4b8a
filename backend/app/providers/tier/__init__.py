"""How a gateway reaches its decode workers: the port, and Ray behind it."""
