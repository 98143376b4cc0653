"""Where people's files are kept: a folder, or a bucket that speaks S3. Nobody reads them but through our views."""

from typing import Any

from config.env import Bucket


def default(bucket: Bucket | None) -> dict[str, Any]:
    if bucket is None:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    keys = {"access_key": bucket.access_key, "secret_key": bucket.secret_key.reveal()} if bucket.access_key else {}
    options = {
        "bucket_name": bucket.name,
        "region_name": bucket.region or None,
        "endpoint_url": bucket.endpoint or None,
        "default_acl": None,
        "file_overwrite": False,
        "querystring_auth": True,
        **keys,
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
