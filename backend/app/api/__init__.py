"""HTTP and WebSocket routes: they translate and decide nothing."""
