"""The lake's connection type."""

from __future__ import annotations

from airflow.sdk import BaseHook

from stripe_sync.errors import ConfigurationError

DOCS_FILE = "_docs/index.html"
"""Path of the data docs inside the lake. No sync's name starts with an underscore."""


class StripeLakeHook(BaseHook):
    """Where the Parquet files go, as an Airflow connection of type ``stripe_lake``.

    The connection's ``host`` is the lake's URL as fsspec understands it (``s3://bucket/stripe``,
    ``file:///data/lake``). Keys of object stores come from the store's usual environment.

    Args:
        lake_conn_id: Id of the connection.
    """

    conn_name_attr = "lake_conn_id"
    default_conn_name = "stripe_lake"
    conn_type = "stripe_lake"
    hook_name = "Stripe lake"

    def __init__(self, lake_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.lake_conn_id = lake_conn_id

    def get_conn(self) -> str:
        """The lake's URL, without a slash at the end.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: The connection names no URL.
        """
        url = str(self.get_connection(self.lake_conn_id).host or "").rstrip("/")
        if not url:
            msg = (
                f"connection {self.lake_conn_id!r} names no lake: "
                "put a URL such as s3://bucket/stripe into its host field"
            )
            raise ConfigurationError(msg)
        return url

    def docs_url(self) -> str:
        """Where the data docs of the warehouse with this lake are kept.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: The connection names no URL.
        """
        return f"{self.get_conn()}/{DOCS_FILE}"

    def test_connection(self) -> tuple[bool, str]:
        """Write and remove a small file: whether that worked, and a sentence for the UI."""
        import fsspec

        try:
            url = self.get_conn()
            probe = f"{url}/.write_test"
            with fsspec.open(probe, "wb", auto_mkdir=True) as file:
                file.write(b"")
            filesystem, path = fsspec.core.url_to_fs(probe)
            filesystem.rm(path)
        except (ConfigurationError, OSError, ValueError, ImportError) as error:
            return False, str(error)
        return True, f"The lake at {url} can be written"
