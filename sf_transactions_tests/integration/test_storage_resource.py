import hashlib
import socket

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from sf_transactions.resources.storage import Storage, StorageError, exists_with, verify

BUCKET = "storage-test"
CONTENT = b"transaction_id,fiscal_year\n1,2025\n" * 100_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def client_of(url: str):
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=10),
    )


@pytest.fixture(scope="module")
def client():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    client = client_of(f"http://{host}:{port}")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    client.put_object(Bucket=BUCKET, Key="part.csv", Body=CONTENT)
    client.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    yield client
    server.stop()


def test_an_object_with_the_sent_content_is_verified(client):
    verify(client, BUCKET, "part.csv", len(CONTENT), SHA256)
    verify(client, BUCKET, "empty", 0, hashlib.sha256(b"").hexdigest())
    assert exists_with(client, BUCKET, "part.csv", len(CONTENT), SHA256)


def test_an_object_that_was_sent_in_parts_is_verified(client):
    """Its ETag is no hash of the content."""
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    whole = b"a" * 5_242_880 + b"b"
    parts = []
    for number, body in enumerate([whole[:-1], whole[-1:]], 1):
        answer = client.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    verify(client, BUCKET, "parts", len(whole), hashlib.sha256(whole).hexdigest())


def test_another_size_is_told(client):
    with pytest.raises(StorageError, match=rf"s3://{BUCKET}/part.csv has {len(CONTENT)} bytes, not 7"):
        verify(client, BUCKET, "part.csv", 7, SHA256)
    assert not exists_with(client, BUCKET, "part.csv", 7, SHA256)


def test_another_content_of_the_same_size_is_told(client):
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(StorageError, match=f"s3://{BUCKET}/part.csv has the SHA-256 {SHA256}, not {other}"):
        verify(client, BUCKET, "part.csv", len(CONTENT), other)
    assert not exists_with(client, BUCKET, "part.csv", len(CONTENT), other)


def test_a_missing_object_is_told(client):
    with pytest.raises(StorageError, match=f"s3://{BUCKET}/nowhere is not there"):
        verify(client, BUCKET, "nowhere", 1, SHA256)
    assert not exists_with(client, BUCKET, "nowhere", 1, SHA256)


def test_an_object_is_read_back_again_only_when_its_etag_is_another(client):
    asked: list[str] = []

    class Resource:
        def get_client(self):
            return client

    storage = Storage.model_construct(s3=Resource(), bucket=BUCKET, prefix="")
    client.meta.events.register("before-call.s3.GetObject", lambda params, **_: asked.append(params["url_path"]))
    client.put_object(Bucket=BUCKET, Key="sent/part.csv", Body=CONTENT)
    wanted = [("sent/part.csv", len(CONTENT), SHA256), ("sent/missing.csv", 1, SHA256)]
    etags = storage.standing(storage.in_folders(["sent"]), wanted, {})
    assert list(etags) == ["sent/part.csv"] and len(asked) == 1
    verified = {key: [SHA256, etag] for key, etag in etags.items()}
    assert storage.standing(storage.in_folders(["sent"]), wanted, verified) == etags and len(asked) == 1
    client.put_object(Bucket=BUCKET, Key="sent/part.csv", Body=CONTENT[:-2] + b"6\n")  # as long as it was
    assert storage.standing(storage.in_folders(["sent"]), wanted, verified) == {} and len(asked) == 2
    client.put_object(Bucket=BUCKET, Key="sent/part.csv", Body=CONTENT)
    other = hashlib.sha256(b"other").hexdigest()  # the file at home is another, as long
    assert (
        storage.standing(storage.in_folders(["sent"]), [("sent/part.csv", len(CONTENT), other)], verified) == {}
        and len(asked) == 3
    )


@pytest.mark.parametrize("ask", [verify, exists_with])
def test_a_missing_bucket_names_what_makes_it(client, ask):
    with pytest.raises(StorageError, match="no bucket no-such-bucket: run `sf-transactions provision`"):
        ask(client, "no-such-bucket", "part.csv", 1, SHA256)


@pytest.mark.parametrize("ask", [verify, exists_with])
def test_storage_that_is_down_is_no_missing_object(ask):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        client = client_of(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(StorageError, match="S3 cannot be reached"):
            ask(client, BUCKET, "part.csv", 1, SHA256)
