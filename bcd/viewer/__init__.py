"""The web viewer: what a store holds, as pages and as JSON, to be read only."""
