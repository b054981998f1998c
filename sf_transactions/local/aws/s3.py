"""S3 as moto has it, but for what moto overlooks: a bucket's tags at its creation, and that a folder ends with its last
object, of which a versioned bucket keeps a delete marker."""

from typing import Any

import xmltodict
from moto.core.common_types import TYPE_RESPONSE
from moto.s3.models import FakeDeleteMarker
from moto.s3.responses import S3Response


class S3(S3Response):
    def _bucket_response_put(self, request: Any, bucket_name: str, querystring: dict[str, Any]) -> str | TYPE_RESPONSE:
        answer = super()._bucket_response_put(request, bucket_name, querystring)
        if not querystring and self.body:
            self._tag(bucket_name)
        return answer

    def _tag(self, bucket_name: str) -> None:
        given = (xmltodict.parse(self.body).get("CreateBucketConfiguration") or {}).get("Tags") or {}
        tags = given.get("Tag", [])
        named = {tag["Key"]: tag["Value"] for tag in (tags if isinstance(tags, list) else [tags])}
        if named:
            self.backend.put_bucket_tagging(bucket_name, named)

    def _split_truncated_keys(self, truncated_keys: Any) -> Any:  # type: ignore[override]  # moto's knows no bucket
        keys, folders = super()._split_truncated_keys(truncated_keys)
        stored = self.backend.get_bucket(self.bucket_name).keys.items()
        live = [name for name, key in stored if not isinstance(key, FakeDeleteMarker)] if folders else []
        return keys, [folder for folder in folders if any(name.startswith(folder) for name in live)]
