"""llama.cpp in a process of its own: `server` and `process` here, `child` over there."""
