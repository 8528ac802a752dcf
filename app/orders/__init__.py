"""The one way into the queue: rows are read, planned, and placed in one transaction. No Flask, no thread."""
