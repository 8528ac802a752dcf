"""The image models, one file a service: the only rooms that know ``requests``; see ``generator``."""
