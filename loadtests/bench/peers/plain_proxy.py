"""The proxy that most would write, in about thirty lines of aiohttp.

python plain_proxy.py PORT STABLE CANARY SHADOW MODELS      (SHADOW 0: no copies)
"""

import asyncio
import sys
import zlib

import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

port, stable, canary, shadow, models = map(int, sys.argv[1:])
tasks: set[asyncio.Task[None]] = set()
HOP = {"host", "connection", "keep-alive", "transfer-encoding"}


async def mirror(session: ClientSession, request: web.Request, body: bytes) -> None:
    url = f"http://127.0.0.1:{shadow}{request.path_qs}"
    headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
    async with session.request(request.method, url, headers=headers, data=body) as answer:
        await answer.read()


async def handle(request: web.Request) -> web.StreamResponse:
    session, body = request.app[SESSION], await request.read()
    if shadow:
        task = asyncio.create_task(mirror(session, request, body))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    customer = request.headers.get("X-Customer-Id", "")
    version = canary if zlib.crc32(customer.encode()) % 100 < 10 else stable
    url = f"http://127.0.0.1:{version}{request.path_qs}"
    headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
    async with session.request(request.method, url, headers=headers, data=body) as answer:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
        reply = web.StreamResponse(status=answer.status, headers=kept)
        await reply.prepare(request)
        async for piece in answer.content.iter_any():
            await reply.write(piece)
        await reply.write_eof()
        return reply


SESSION = web.AppKey("session", ClientSession)


async def main() -> None:
    app = web.Application(client_max_size=2**31)
    for model in range(models):
        app.router.add_route("*", f"/v2/models/model-{model}/{{rest:.*}}", handle)
    connector = TCPConnector(limit=0, keepalive_timeout=60)
    app[SESSION] = ClientSession(connector=connector, timeout=ClientTimeout(total=None))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
