"""Looking at processes from outside: what runs there, and whether snapshots will work."""
