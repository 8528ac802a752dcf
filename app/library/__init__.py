"""The library of reference images, in a local folder or an OSS bucket; public API: ``library.Library``."""
