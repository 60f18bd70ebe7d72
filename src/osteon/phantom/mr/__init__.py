"""MR of the phantom: sequences, signals, scanner."""
