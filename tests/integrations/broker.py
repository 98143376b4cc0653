"""What lies in the broker's queues."""

from typing import Any

from celery import current_app

type Message = tuple[str, list[object]]


def taken(queue: str) -> list[Message]:
    """Names and arguments of all messages of a queue, oldest first; it is empty afterwards."""
    found: list[Message] = []
    with current_app.connection_for_write() as broker, broker.channel() as channel:
        door: Any = channel
        while message := door.basic_get(queue, no_ack=True):
            found.append((message.headers["task"], message.decode()[0]))
    return found
