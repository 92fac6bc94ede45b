"""The tracer process: reads the memory of a CPython and writes a snapshot of it.

A program of its own, started by the path of ``__main__.py`` under the interpreter of the
program that it reads; nothing imports it. Its imports are few, for each costs time.
"""
