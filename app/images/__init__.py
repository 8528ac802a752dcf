"""What stands behind ``pictures``: naming, embedding, checking and keeping. Its only visitor."""
