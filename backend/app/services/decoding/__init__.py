"""Speech engines at work: which engine, when it decodes, and how a whole-window engine streams."""
