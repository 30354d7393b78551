"""The lake's connection type."""

from __future__ import annotations

from airflow.sdk import BaseHook

from stripe_sync import ConfigurationError

DOCS_FILE = "_docs/index.html"
"""Path of the data docs inside the lake. No sync's name starts with an underscore."""


class StripeLakeHook(BaseHook):
    """The folder of the Parquet files, from an Airflow connection of type ``stripe_lake``.

    The connection's ``host`` is the lake's fsspec URL (``s3://bucket/stripe``,
    ``file:///data/lake``). Object stores take their keys from their usual environment variables.

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
        """The lake's URL, without a trailing slash.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: The connection has no URL.
        """
        url = str(self.get_connection(self.lake_conn_id).host or "").rstrip("/")
        if not url:
            msg = (
                f"connection {self.lake_conn_id!r} has no lake URL: "
                "put a URL such as s3://bucket/stripe into its host field"
            )
            raise ConfigurationError(msg)
        return url

    def docs_url(self) -> str:
        """URL of the data docs in this lake.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: The connection has no URL.
        """
        return f"{self.get_conn()}/{DOCS_FILE}"

    def test_connection(self) -> tuple[bool, str]:
        """Write and remove a file; returns whether that succeeded, and a sentence for the UI."""
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
