"""What a page shows, as data for its templates."""
