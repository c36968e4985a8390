"""What all tables share: their base with its names for constraints, and the types of their columns."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, Boolean, Enum, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase

from coder_assist.review.database import UtcDateTime

Json = JSON(none_as_null=True)
# SQLite counts up by itself only in a column whose type is spelt INTEGER.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")


def one_of(choices: type[StrEnum], column: str) -> Enum:
    """Return the column type of an enum: its written form, and a check that nothing else is stored."""
    return Enum(
        choices,
        name=f"{column}_known",
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


def yes_or_no(column: str) -> Boolean:
    """Return the column type of a yes or no; SQLite, which has none, checks for 0 and 1."""
    return Boolean(create_constraint=True, name=f"{column}_is_boolean")


class Table(DeclarativeBase):
    """The base of all tables; constraints are named so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), str: String(200)}  # noqa: RUF012 - read by SQLAlchemy
