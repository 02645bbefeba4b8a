"""Who may use which route, and how a request or a socket tells who it comes from."""
