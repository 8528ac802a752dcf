"""Tables and their rows: operations, their check, the state of a row. No Flask, no thread."""
