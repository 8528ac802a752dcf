"""Reference images: a local folder or an OSS bucket behind one interface, ``library.Library``."""
