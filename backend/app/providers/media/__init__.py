"""Decodes recordings of any usual container to 16 kHz mono, in processes that hostile files cannot leave."""
