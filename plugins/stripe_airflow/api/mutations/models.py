"""Bodies of mutations and their answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema

from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.models import Run
from stripe_airflow.api.routing import Strict

Records = Annotated[
    Any,
    WithJsonSchema({"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 100}),
]


class MutationRun(Strict):
    """Objects to create, update or delete in Stripe and in the streams."""

    sync_id: str = Field(description="Name or id of the sync.")
    collection_id: str = Field(description="`stripe:customer`; `stripe.customer` too.")
    data: Records = Field(
        default=None,
        description="1 to 100 objects: Stripe's parameters, and the ids that the path needs: `id`,"
        " that of a parent. Null, [] and {} unset a parameter.",
    )
    records: Records = Field(default=None, description="The same as `data`.")
    on_error: Literal["stop", "continue"] = Field(
        default="stop",
        description="`stop`: one after the other, none after a failure. `continue`: all, those of"
        " different objects at the same time.",
    )
    await_consumers: list[str] = Field(
        default_factory=list, description="Consumers to wait for: `lake`, or your own."
    )
    await_timeout: float = Field(
        default=30.0,
        ge=0,
        le=600,
        strict=True,
        description="Longest wait in seconds. The write stands whatever happens.",
    )
    allow_unknown_params: bool = Field(
        default=False, description="Whether to send parameters that Stripe's SDK does not know."
    )

    @property
    def records_name(self) -> str:
        """The field that has the records.

        Raises:
            ApiError: Both are given, or none.
        """
        given = [name for name in ("data", "records") if name in self.model_fields_set]
        if not given:
            message = "data: this parameter is required"
            raise ApiError(400, "parameter_missing", message, param="data")
        if len(given) > 1:
            message = "records: data and records are the same: give one of them"
            raise ApiError(400, "parameter_invalid", message, param="records")
        return given[0]


class AnyMutationRun(MutationRun):
    """The same, with the kind of the mutation."""

    kind: str = Field(
        description="`create`, `update`, `delete` or an action of the collection, such as `cancel`."
    )


class MutationError(BaseModel):
    """Why a record failed, as Stripe says it."""

    type: str
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    param: str | None = Field(default=None, description="`data[0].email` for one of yours.")
    request_id: str | None = None


class MutationResult(BaseModel):
    """What became of one record."""

    position: int = Field(description="Its place in the request, from 0.")
    status: Literal["done", "refused", "not_executed", "unknown", "not_sent"]
    collection_id: str
    upstream_id: str | None
    record: dict[str, Any] | None
    error: MutationError | None


class MutationRecords(BaseModel):
    """The records, as the record stream has them."""

    records: list[dict[str, Any]]
    late: list[str] | None = Field(
        default=None, description="Awaited consumers that were late. The write stands."
    )
    message: str | None = None


class MutationResults(MutationRecords):
    """A result for each record, because not all succeeded."""

    results: list[MutationResult]


class WaitingMutation(BaseModel):
    """The run that asks a person, and sends the requests once they are approved."""

    run: Run
