"""asyncio: a server and eight clients, a refused connection, datagrams."""

from __future__ import annotations

import asyncio


async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line[::-1])
        await writer.drain()
    writer.close()


async def ask(port: int, number: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"%d abc\n" % number)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


class Twice(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: object) -> None:
        self.transport.sendto(data * 2, address)  # type: ignore[attr-defined]


class Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, address: object) -> None:
        self.data.set_result(data)


async def main() -> None:
    server = await asyncio.start_server(reverse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(ask(port, number) for number in range(8))))
    server.close()
    await server.wait_closed()
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        print("refused")
    loop = asyncio.get_running_loop()
    doubling, _ = await loop.create_datagram_endpoint(Twice, ("127.0.0.1", 0))
    asking, answer = await loop.create_datagram_endpoint(Answer, remote_addr=doubling.get_extra_info("sockname"))
    asking.sendto(b"datagram")
    print(await answer.data)
    asking.close()
    doubling.close()


asyncio.run(main())
