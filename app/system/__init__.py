"""The operating system: sockets, process settings, folders, Windows file semantics."""
