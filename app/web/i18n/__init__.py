"""Languages: the locale of a request and the English catalogue."""
