"""A provider that takes its time: every answer is the same listing, some milliseconds late. A process of its own.

`python -m tests.bench.slow_provider LATENCY_MS`, with the answer's JSON on stdin; prints its port.
"""

import asyncio
import sys


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes, latency_s: float) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(latency_s)
            writer.write(head + text)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(latency_s: float, text: bytes) -> None:
    server = await asyncio.start_server(lambda r, w: answer(r, w, text, latency_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000, sys.stdin.buffer.read()))
