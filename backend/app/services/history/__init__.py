"""What is kept of dictations and conversations: stored, listed, searched and exported."""
