"""The frameworks' own tests, with and without bcd."""
