"""Where snapshots are kept, and how they are found again."""
