"""The version of bcd, for the tracer process too, which does without the public names."""

__version__ = "0.1.0"
