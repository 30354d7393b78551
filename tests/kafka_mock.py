"""librdkafka's mock cluster: a broker that answers with errors on request.

It is in the library that confluent-kafka carries, and has no interface in Python.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import confluent_kafka

from kafka_broker import ReadMessage, read_partitions

PRODUCE = 0  # number of the request

MSG_SIZE_TOO_LARGE = 10
NOT_ENOUGH_REPLICAS = 19
TOPIC_AUTHORIZATION_FAILED = 29
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
ANSWER_LOST = -195

_PRODUCER = 0


class MockCluster:
    """A cluster of one broker."""

    def __init__(self, library: Any, cluster: Any) -> None:
        self._library = library
        self._cluster = cluster
        self.servers: str = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()

    def create_topic(self, name: str, partitions: int = 1) -> None:
        assert not self._library.rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, 1
        )

    def answer_with(self, *errors: int) -> None:
        """Answer the next requests to produce so, one error for each."""
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster,
            ctypes.c_int16(PRODUCE),
            ctypes.c_size_t(len(errors)),
            (ctypes.c_int * len(errors))(*errors),
        )

    def read_topic(self, name: str) -> list[ReadMessage]:
        """All that the first partition of a topic has, in order."""
        return read_partitions(self.servers, name, [0])


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """A running one."""
    library = _library()
    handle = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, None, None, 0))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(handle, 1))
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(handle)


def _library() -> Any:
    (path,) = Path(confluent_kafka.__file__).parent.parent.glob(
        "confluent_kafka.libs/librdkafka-*.so*"
    )
    library = ctypes.CDLL(str(path))
    for name in ("rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library
