"""Hooks for web frameworks: each decides that something is an error and names its attributes.

Import the one you need; none is loaded before. All of them go through ``_capture.Capture``.
"""
