"""Bytes from a provider or an upload -> a checked file and its thumbnail.

The only package that imports Pillow (the demo aside).
"""
