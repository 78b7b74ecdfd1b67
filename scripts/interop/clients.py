"""Python's clients against an echo server that compresses: every kind of message comes back as it was,
and the extension was agreed on with the parameters that were asked for."""

import asyncio
import json
import sys

import aiohttp
import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

MESSAGES = [
    "",
    "short",
    "a mail from Bob " * 50,
    "é€🐭" * 1000,
    json.dumps([{"seq": number, "from": "Bob", "subject": "Dinner"} for number in range(500)]),
    b"",
    bytes(range(256)) * 20,
    b"\0" * 1_000_000,
]


async def with_websockets(url, **wanted):
    factory = ClientPerMessageDeflateFactory(**wanted)
    async with websockets.connect(url, extensions=[factory], compression=None, max_size=None) as ws:
        assert len(ws.protocol.extensions) == 1, f"not agreed on: {wanted}"
        for message in MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message, f"{wanted}: {message[:20]!r}"
        # In fragments, which are compressed as one message.
        await ws.send(["a mail ", "from Bob " * 100, "", "at eight"])
        assert await ws.recv() == "a mail " + "from Bob " * 100 + "at eight"
        return ws.protocol.extensions[0]


async def with_aiohttp(url, bits):
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, compress=bits, max_msg_size=0) as ws:
            assert ws.compress, f"not agreed on: {bits}"
            for message in MESSAGES:
                if isinstance(message, str):
                    await ws.send_str(message)
                    assert await ws.receive_str() == message
                else:
                    await ws.send_bytes(message)
                    assert await ws.receive_bytes() == message


async def main(url):
    for wanted in [
        {},
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        {"client_max_window_bits": 9},
        {"server_max_window_bits": 9},
        {"server_max_window_bits": 12, "client_max_window_bits": 12},
    ]:
        agreed = await with_websockets(url, **wanted)
        print("websockets", websockets.__version__, wanted, "->", agreed)
    for bits in [9, 15]:
        await with_aiohttp(url, bits)
        print("aiohttp", aiohttp.__version__, bits)


asyncio.run(main(sys.argv[1]))
