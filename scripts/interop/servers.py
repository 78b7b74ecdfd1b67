"""`client --deflate` against Python's servers: lines come back, compressed both ways."""

import asyncio
import sys

import aiohttp.web
import websockets

LINES = ["short", "a mail from Bob " * 50, "é€🐭" * 100]


async def run(client, port):
    """The client sends its lines, and prints what comes back, until its input ends."""
    process = await asyncio.create_subprocess_exec(
        client, "--deflate", f"ws://127.0.0.1:{port}/",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )
    for line in LINES:
        process.stdin.write(line.encode() + b"\n")
        await process.stdin.drain()
        echo = (await process.stdout.readline()).decode().rstrip("\n")
        assert echo == line, f"{line[:20]!r} came back as {echo[:40]!r}"
    process.stdin.close()
    assert await process.wait() == 0


async def websockets_server(client):
    agreed = []

    async def echo(ws):
        agreed.append(len(ws.protocol.extensions))
        async for message in ws:
            await ws.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        await run(client, server.sockets[0].getsockname()[1])
    assert agreed == [1], "compression was not agreed on"
    print("client with websockets", websockets.__version__)


async def aiohttp_server(client):
    agreed = []

    async def echo(request):
        ws = aiohttp.web.WebSocketResponse(compress=True)
        await ws.prepare(request)
        agreed.append(bool(ws.compress))
        async for message in ws:
            if message.type == aiohttp.WSMsgType.TEXT:
                await ws.send_str(message.data)
        return ws

    app = aiohttp.web.Application()
    app.router.add_get("/", echo)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    await run(client, port)
    await runner.cleanup()
    assert agreed == [True], "compression was not agreed on"
    print("client with aiohttp", aiohttp.__version__)


async def main(client):
    await websockets_server(client)
    await aiohttp_server(client)


asyncio.run(main(sys.argv[1]))
