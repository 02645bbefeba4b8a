"""Speech engines at work: which one, when it may decode, and how whole-window engines stream."""
