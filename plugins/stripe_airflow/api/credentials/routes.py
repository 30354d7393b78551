"""Routes of credentials: Stripe keys, stored as Airflow connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import APIRouter, Query, Response
from pydantic import SecretStr

from stripe_airflow.api.credentials.models import (
    Credential,
    CredentialList,
    CredentialUpdate,
    DeletedCredential,
    KeyUpdate,
    NewCredential,
)
from stripe_airflow.api.credentials.store import (
    CredentialChanged,
    check_encryption,
    delete_credential,
    load_credential,
    load_credentials,
    save_credential,
)
from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.rights import MANAGE
from stripe_airflow.api.routing import Route, page_of
from stripe_airflow.hooks.connections import default_sync, stripe_conn_id_of
from stripe_airflow.hooks.overrides import overriding_source
from stripe_airflow.hooks.stripe import StripeHook, warehouse_if_any
from stripe_sync import (
    KeyProperties,
    StoredCredential,
    change_credential,
    describe_credentials,
    follow_new_key,
    import_credential,
    probe_stored_credential,
)

router = APIRouter(prefix="/v1/credentials", tags=["credentials"], route_class=Route)

_ATTEMPTS = 3

Check = Annotated[
    bool, Query(description="Find out what the key may read and write: about 100 requests.")
]


@router.get("", dependencies=[MANAGE])
def list_credentials(
    external_id: str | None = None,
    after_cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> CredentialList:
    """All credentials by id, page by page."""
    found = [each for each in load_credentials() if external_id in (None, each.external_id)]
    page = page_of({each.id: each for each in found}, after_cursor, limit)
    return CredentialList(
        credentials=_answers(page.items), cursor=page.cursor, has_more=page.has_more
    )


@router.post("", status_code=201, dependencies=[MANAGE])
def create(body: NewCredential, response: Response, *, check: Check = False) -> Credential:
    """Import a key. One of the same account and mode is replaced; then the status is 200."""
    credential, is_new = import_key(body)
    response.status_code = 201 if is_new else 200
    return _answer(checked(credential) if check else credential)


@router.get("/{credential_id}", dependencies=[MANAGE])
def read(credential_id: str) -> Credential:
    """One credential."""
    return _answer(load_credential(credential_id))


@router.patch("/{credential_id}", dependencies=[MANAGE])
def update(credential_id: str, body: CredentialUpdate, *, check: Check = False) -> Credential:
    """Change a credential. A new key must be of the same account and mode."""
    check_encryption()
    changes = {name: getattr(body, name) for name in body.model_fields_set - {"properties"}}
    changes |= {name: getattr(body.properties, name) for name in ("name", "test")}
    if secret_key := _secret_key(body.properties):
        changes["secret_key"] = secret_key
    credential = _changed(credential_id, changes)
    return _answer(checked(credential) if check else credential)


@router.delete("/{credential_id}", dependencies=[MANAGE])
def delete(credential_id: str) -> DeletedCredential:
    """Delete a credential that no sync uses. Nothing in Stripe is changed."""
    [info] = describe_credentials([load_credential(credential_id)], warehouse_if_any())
    if info.syncs:
        message = f"the syncs {', '.join(info.syncs)} use this credential: delete them first"
        raise ApiError(409, "credential_in_use", message, param="credential_id")
    if connected := [each.id for each in load_credentials() if each.platform_id == credential_id]:
        message = f"the credentials {', '.join(connected)} have its key: delete them first"
        raise ApiError(409, "credential_in_use", message, param="credential_id")
    delete_credential(credential_id)
    return DeletedCredential(id=credential_id)


def import_key(body: NewCredential, *, replaces_used: bool = True) -> tuple[StoredCredential, bool]:
    """Store the key of a body.

    Args:
        body: The key.
        replaces_used: Whether it may take the place of a key that syncs use.

    Returns:
        The credential, and whether it is new.

    Raises:
        ApiError: The body has no key, or Airflow cannot store it encrypted, or 409
            ``credential_in_use``: syncs use the key that it would replace.
        ConfigurationError: A value is invalid.
        StripeError: Stripe refuses the key, or cannot be reached.
    """
    check_encryption()
    properties = body.properties
    secret_key = _secret_key(properties)
    if secret_key is None:
        param = "properties.secret_key"
        message = f"{param}: this parameter is required"
        raise ApiError(400, "parameter_missing", message, param=param)
    key = KeyProperties(
        secret_key,
        test=properties.test,
        name=properties.name,
        account=properties.account,
        api_base=properties.api_base or default_api_base(),
    )
    stored = load_credentials()
    credential = import_credential(
        key,
        stored,
        metadata=body.metadata,
        external_id=body.external_id,
        warehouse_url=warehouse_if_any(),
    )
    before = next((each for each in stored if each.id == credential.id), credential)
    if not replaces_used and before.api_key != credential.api_key:
        _check_unused(before)
    return credential, _save_with_copies(before, credential, stored)


def _check_unused(credential: StoredCredential) -> None:
    """Refuse to replace a key that syncs use.

    Raises:
        ApiError: Some do.
    """
    [info] = describe_credentials([credential], warehouse_if_any())
    if info.syncs:
        mode = "test" if info.test else "live"
        message = (
            f"another key of this account in {mode} mode is stored already, and the syncs"
            f" {', '.join(info.syncs)} use it: they will use the new one if you replace it"
        )
        raise ApiError(409, "credential_in_use", message, param="properties.secret_key")


def _changed(credential_id: str, changes: Mapping[str, Any]) -> StoredCredential:
    """Change a credential, though others change it while Stripe is asked about a new key.

    Raises:
        ApiError: There is none, or it is being changed by others all the time.
        ConfigurationError: A value is invalid.
        StripeError: Stripe refuses the key, or cannot be reached.
    """
    for _ in range(_ATTEMPTS):
        before = load_credential(credential_id)
        credential = change_credential(before, changes, warehouse_url=warehouse_if_any())
        with suppress(CredentialChanged):
            _save_with_copies(before, credential, load_credentials(), read=before)
            return credential
    raise CredentialChanged


def _save_with_copies(
    before: StoredCredential,
    credential: StoredCredential,
    stored: Sequence[StoredCredential],
    *,
    read: StoredCredential | None = None,
) -> bool:
    """Store a credential, and its new key for connected accounts too; whether it is new.

    Raises:
        CredentialChanged: What is stored is not what was read.
    """
    for each in follow_new_key(before, credential, stored):
        save_credential(each)
    return save_credential(credential, read=read)


def _secret_key(properties: KeyUpdate) -> str | None:
    """The key of a body, under either of its names.

    Raises:
        ApiError: Both are given, and differ.
    """
    both = [_text(each) for each in (properties.secret_key, properties.secret)]
    given = {each for each in both if each is not None}
    if len(given) > 1:
        message = "properties.secret: give secret_key or secret, not two different keys"
        raise ApiError(400, "parameter_invalid", message, param="properties.secret")
    return next(iter(given), None)


def _text(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def default_api_base() -> str | None:
    """The address of the API that the default sync's connection has; None for Stripe's own."""
    try:
        host = StripeHook.get_connection(stripe_conn_id_of(default_sync())).host
    except AirflowNotFoundException:
        return None
    return host or None


def checked(credential: StoredCredential) -> StoredCredential:
    """A credential after a check, which is stored unless it was changed while that took place.

    Raises:
        ApiError: It was deleted.
        ConfigurationError: The connection has no valid key, or an invalid setting.
        WarehouseError: The warehouse cannot be reached.
    """
    before = load_credential(credential.id)
    checked = probe_stored_credential(before, warehouse_url=warehouse_if_any())
    with suppress(CredentialChanged):
        save_credential(checked, read=before)
    return checked


def _answer(credential: StoredCredential) -> Credential:
    return _answers([credential])[0]


def _answers(credentials: Sequence[StoredCredential]) -> list[Credential]:
    found = describe_credentials(credentials, warehouse_if_any())
    return [Credential.of(info, overriding_source(info.id)) for info in found]
