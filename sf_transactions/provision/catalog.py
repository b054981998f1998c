"""The Glue database that the pipeline registers its files in."""

from collections.abc import Iterator
from typing import Any

from sf_transactions.provision.aws import Aws, is_ours, tags_of
from sf_transactions.provision.desired import Desired
from sf_transactions.provision.resource import Change, Named, Resource, unless_gone


class Catalog(Named):
    kind = "Glue database"

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        for page in aws.client("glue").get_paginator("get_databases").paginate():
            for listed in page["DatabaseList"]:
                database = cls(aws, want, listed["Name"])
                if is_ours(database.tags(listed), want.owner):
                    yield database

    @property
    def _input(self) -> dict[str, Any]:
        return {
            "Name": self.name,
            "Description": "San Francisco's spending and revenue: the files of sf_transactions",
            "LocationUri": f"s3://{self.want.bucket}/{self.want.prefix}",
        }

    @property
    def arn(self) -> str:
        return f"arn:{self.want.partition}:glue:{self.want.region}:{self.want.account}:database/{self.name}"

    def find(self) -> dict[str, Any] | None:
        answer = unless_gone(self.aws.client("glue").get_database, "EntityNotFoundException", Name=self.name)
        return answer["Database"] if answer else None

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(self.aws.client("glue").get_tags(ResourceArn=self.arn)["Tags"])

    def create(self) -> None:
        self.aws.client("glue").create_database(DatabaseInput=self._input, Tags=tags_of(self.want.tags))

    def drift(self, found: Any) -> Iterator[Change]:
        if found.get("LocationUri") != self._input["LocationUri"]:
            yield Change(
                f"its files are at {found.get('LocationUri')}",
                lambda: self.aws.client("glue").update_database(Name=self.name, DatabaseInput=self._input),
            )

    def delete(self, found: Any) -> None:
        """With its tables, which on AWS go with it only by and by."""
        client = self.aws.client("glue")
        for page in client.get_paginator("get_tables").paginate(DatabaseName=self.name):
            for table in page["TableList"]:
                client.delete_table(DatabaseName=self.name, Name=table["Name"])
        client.delete_database(Name=self.name)
