"""Measures bcd beside its peers; ``python -m tests.bench`` runs everything."""
