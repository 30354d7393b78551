"""``syncs.yaml``: syncs that are declared in a file, for those who keep them in git."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from stripe_sync.accounts.plans.sync_plan import WantedSync
from stripe_sync.accounts.sync_values import check_name
from stripe_sync.accounts.syncs import columns_of
from stripe_sync.declared.yaml_file import DeclaredList, read_declared_file
from stripe_sync.warehouse import Sync


class DeclaredSync(BaseModel):
    """A sync in a file.

    What is left out has its default, but for ``mode``, ``enabled`` and ``connected_account``. A
    field that is added to syncs is a row here and in ``sync_plan.COLUMN_OF``.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str = Field(description="Lower-case letters, digits, - and _.")
    mode: Literal["live", "test"] | None = Field(
        default=None, description="Mode of its key. Left out: that of the stored sync, else test."
    )
    enabled: bool | None = Field(
        default=None, description="False: paused. Left out: as it is, a new one is active."
    )
    collections: list[str] | None = Field(default=None, description="Left out: all.")
    connection_id: str | None = Field(default=None, description="Left out: stripe_<name>.")
    connected_account: str | None = Field(
        default=None, description="acct_… that the key acts on. Left out: as it is."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings by name.")
    external_id: str | None = Field(default=None, description="Your own id of it.")
    metadata: dict[str, Any] = Field(default_factory=dict, description="Your own data.")
    _columns: dict[str, Any] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        """Check the values, so that nothing of a file is applied if one of them is wrong.

        Raises:
            ConfigurationError: A value is invalid.
        """
        super().model_post_init(context)
        check_name(self.name)
        kept = {"connected_account"} - self.model_fields_set
        values = self.model_dump(exclude={"name", "mode", "enabled", *kept})
        self._columns = columns_of(None, values)  # type: ignore[arg-type]

    def wanted(self) -> WantedSync:
        """The sync as it is wanted."""
        livemode = None if self.mode is None else self.mode == "live"
        return WantedSync(self.name, livemode, self._wanted_columns)

    def _wanted_columns(self, stored: Sync | None) -> dict[str, Any]:
        if self.enabled is False:
            return {**self._columns, "status": "paused"}
        if self.enabled and stored and stored.status == "paused":
            return {**self._columns, "status": "active"}
        return self._columns


def read_sync_file(path: str | Path) -> list[DeclaredSync]:
    """Read and check a file of syncs; asks neither the warehouse nor Stripe.

    Args:
        path: The file: YAML with the list ``syncs``.

    Raises:
        ConfigurationError: It cannot be read, a name is unknown, a value is invalid, or it contains
            a key. The message names file, line and field, and never a value that may be a key.

    Example:
        >>> from stripe_sync import read_sync_file
        >>> [sync.name for sync in read_sync_file(path)]
        ['north', 'south']
    """
    syncs: list[DeclaredSync] = read_declared_file(path, {"syncs": SYNCS})["syncs"]
    return syncs


SYNCS = DeclaredList("sync", list(DeclaredSync.model_fields), DeclaredSync.model_validate)
"""The list ``syncs`` of a file."""
