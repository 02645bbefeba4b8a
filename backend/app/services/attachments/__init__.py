"""Files of messages: taken, kept, given to models, and deleted with their last message."""
