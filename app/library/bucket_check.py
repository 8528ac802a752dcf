"""Whether a bucket would do: asked before its settings are saved."""

import secrets

from app.config import Settings


def try_bucket(settings: Settings) -> None:
    """List what the bucket has under each prefix in use, write an object there and delete it.

    Raises SettingError, BucketError.
    """
    from oss_client import Bucket  # oss2 takes 20 MB of memory

    bucket = Bucket(settings)
    for prefix in filter(None, (settings.oss_sample_prefix, settings.oss_output_prefix)):
        next(bucket.list_objects(prefix), None)
        key = f"{prefix}.probe-{secrets.token_hex(8)}"
        bucket.put(key, b"", "application/octet-stream")
        bucket.delete(key)
