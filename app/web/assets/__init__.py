"""Scripts and styles: one bundle a page and language."""
