"""Trains, exports and checks the tiny Whisper checkpoint that knows what samples/ says and little else."""
