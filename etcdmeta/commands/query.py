"""Continuous queries: a text under a name in a database. What it means is the query layer's business."""

from __future__ import annotations

from typing import ClassVar

from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import require_readable_key
from etcdmeta.errors import InvalidInput, QueryExists
from etcdmeta.model.entities import ContinuousQuery
from etcdmeta.model.names import check_label_name
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode


class CreateContinuousQuery(Command):
    """Add a continuous query to a database. The same text again, in whatever case, is unchanged.

    Compares: ``create(db/D/cq/E)=0``, ``create(db/D/info)``. Writes: ``db/D/cq/E``. Result: ``database_id``.
    Errors: `DatabaseNotFound`, `QueryExists`, `InvalidName`, `InvalidInput` (no text), `RecordTooLarge`,
    `RecordUnreadable`. Source: InfluxDB 1.x, CREATE CONTINUOUS QUERY.
    """

    NAME: ClassVar[str] = "create continuous query"

    database: str
    name: str
    query: str

    def plan(self, context: Context) -> Plan:
        check_label_name(self.name, "continuous query")
        _check_text(self.query)
        database = context.snapshot.database(self.database)
        key = keys.query(database.id, self.name)
        require_readable_key(context.snapshot, key, f"cannot tell whether query {self.name!r} is there")
        result = {"database_id": database.id}
        existing = database.find_query(self.name)
        if existing is not None:
            if existing.query.lower() == self.query.lower():
                return unchanged(f"continuous query {self.name!r} is there already", result)
            raise QueryExists(
                f"continuous query {self.name!r} exists in database {self.database!r}, with another text",
                value=self.name,
                rule="making the same query again changes nothing; another one cannot have its name",
                remedy="drop it first, or choose another name",
            )
        record = ContinuousQuery(database_id=database.id, name=self.name, query=self.query)
        builder = PlanBuilder()
        builder.require_absent(key)
        builder.require_created(keys.database_info(database.id), database.create_revision)
        builder.put(key, encode(record))
        return builder.build(f"created continuous query {self.name!r} in database {self.database!r}", result)


class DropContinuousQuery(Command):
    """Drop a continuous query.

    Compares: ``mod(db/D/cq/E)``. Writes: deletes ``db/D/cq/E``. Result: ``database_id``.
    Errors: `DatabaseNotFound`, `QueryNotFound`. Source: InfluxDB 1.x, DROP CONTINUOUS QUERY; which finds a
    missing one no error, while here whoever names what is not there is told so.
    """

    NAME: ClassVar[str] = "drop continuous query"

    database: str
    name: str

    def plan(self, context: Context) -> Plan:
        database = context.snapshot.database(self.database)
        key = keys.query(database.id, self.name)
        require_readable_key(context.snapshot, key, f"cannot tell whether query {self.name!r} is there")
        query = database.query(self.name)
        builder = PlanBuilder().require_modified(key, query.mod_revision).delete(key)
        return builder.build(
            f"dropped continuous query {self.name!r} of database {self.database!r}",
            {"database_id": database.id},
        )


def _check_text(text: str) -> None:
    """Raises `InvalidInput`."""
    if not text.strip():
        raise InvalidInput("the continuous query needs a text", value=text, rule="a query is not empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        # Neither the text nor this error's cause goes on: both may be large.
        raise InvalidInput("the continuous query is not text", rule="a query is UTF-8") from None
