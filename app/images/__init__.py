"""Validates image bytes from a provider or an upload; writes the file and its thumbnail.

The only package that imports Pillow (apart from the demo provider).
"""
