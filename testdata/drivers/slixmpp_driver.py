#!/usr/bin/python3
"""An XMPP client under remote control: slixmpp, told what to do on stdin.

One JSON object a line each way. A command gets exactly one answer, in order:

    {"do": "register", "jid": …, "password": …, "host": …, "port": …}
    {"do": "connect", "jid": …, "password": …, "host": …, "port": …, "tls": bool}
    {"do": "send", "xml": "<iq …/>"}       an IQ get or set is answered with its reply
    {"do": "available", "features": […]}   presence with entity capabilities
    {"do": "disconnect"}

    {"answer": {"jid": …}} | {"answer": {"xml": …}} | {"answer": {"error": …}}

Whatever else the server sends is passed on as it comes, {"stanza": "<message …/>"},
and the end of the stream as {"closed": reason}. The driver knows only XMPP: what
should be said and what should come back is the business of the test.
"""

import asyncio
import json
import ssl
import sys
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

TIMEOUT = 20  # seconds for anything the server is asked


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid, password):
        super().__init__(jid, password)
        self["feature_mechanisms"].unencrypted_plain = True
        # A server under test signs its own certificate.
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        # The roster belongs to the test: nothing is approved behind its back.
        self.roster.auto_authorize = None
        self.roster.auto_subscribe = None
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0115")
        self.ended = asyncio.get_event_loop().create_future()
        self.pending = set()
        self.add_filter("in", self.tell)
        self.add_event_handler("stream_error", lambda e: self.end(e["condition"]))
        self.add_event_handler("disconnected", lambda e: self.end("closed"))

    def tell(self, stanza):
        if stanza.name in ("message", "presence", "iq") and stanza["id"] not in self.pending:
            say(stanza=str(stanza))
        return stanza

    def end(self, reason):
        if not self.ended.done():
            self.ended.set_result(reason)
            say(closed=reason)


class Driver:
    client = None

    async def register(self, jid, password, host, port, **_):
        """XEP-0077 §3.1 before login, spoken by hand: slixmpp can only register
        on its way to a login."""
        user, domain = jid.split("@")
        reader, writer = await asyncio.open_connection(host, port)
        parser = ET.XMLPullParser(["start", "end"])
        depth = 0

        async def element(*names):
            nonlocal depth
            while True:
                for event, element in parser.read_events():
                    depth += 1 if event == "start" else -1
                    name = element.tag.rpartition("}")[2]
                    if event == "end" and depth == 1 and name in names + ("error",):
                        return element
                data = await reader.read(4096)
                if not data:
                    raise ConnectionError("the server closed the stream")
                parser.feed(data)

        writer.write(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0'"
            f" xmlns:stream='http://etherx.jabber.org/streams' to={quoteattr(domain)}>".encode())
        await element("features")
        writer.write(
            "<iq type='set' id='reg'><query xmlns='jabber:iq:register'>"
            f"<username>{escape(user)}</username><password>{escape(password)}</password>"
            "</query></iq>".encode())
        answer = await element("iq")
        writer.close()
        if answer.get("type") != "result":
            return {"error": condition(answer)}
        return {}

    async def connect(self, jid, password, host, port, tls=False, **_):
        c = self.client = Client(jid, password)
        c.ssl_context.check_hostname = False  # the servers of the tests sign themselves
        c.ssl_context.verify_mode = ssl.CERT_NONE
        start = asyncio.get_event_loop().create_future()

        def settle(value):
            if not start.done():
                start.set_result(value)

        c.add_event_handler("session_start", lambda _: settle({"jid": str(c.boundjid)}))
        c.add_event_handler("failed_all_auth", lambda _: settle({"error": "not-authorized"}))
        c.add_event_handler("connection_failed", lambda e: settle({"error": str(e)}))
        c.ended.add_done_callback(lambda f: settle({"error": f.result()}))
        c.connect((host, port), force_starttls=tls, disable_starttls=not tls)
        return await asyncio.wait_for(start, TIMEOUT)

    async def send(self, xml, **_):
        element = ET.fromstring(xml)
        kind = element.tag.rpartition("}")[2]
        if kind != "iq" or element.get("type") not in ("get", "set"):
            self.client.send_raw(xml)
            return {}
        iq = slixmpp.Iq(self.client, xml=element)
        if not iq["id"]:
            iq["id"] = self.client.new_id()
        self.client.pending.add(iq["id"])
        try:
            return {"xml": str(await iq.send(timeout=TIMEOUT))}
        except IqError as e:
            return {"xml": str(e.iq)}
        finally:
            self.client.pending.discard(iq["id"])

    async def available(self, features=(), **_):
        c = self.client
        for feature in features:
            await c["xep_0030"].add_feature(feature, jid=c.boundjid)
        await c["xep_0115"].update_caps(jid=c.boundjid, broadcast=False)
        c.send_presence()
        return {}

    async def disconnect(self, **_):
        c = self.client
        c.disconnect(wait=2.0)
        await asyncio.wait_for(asyncio.shield(c.ended), TIMEOUT)
        return {}


def condition(iq):
    for error in iq.iter():
        if error.tag.startswith("{urn:ietf:params:xml:ns:xmpp-stanzas}"):
            return error.tag.rpartition("}")[2]
    return "refused"


async def main():
    loop = asyncio.get_event_loop()
    lines = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    driver = Driver()
    while line := await lines.readline():
        command = json.loads(line)
        do = getattr(driver, command.pop("do"))
        try:
            say(answer=await do(**command))
        except IqTimeout:
            say(answer={"error": f"no answer within {TIMEOUT} s"})
        except Exception as e:  # the test reports it; the driver goes on
            say(answer={"error": f"{type(e).__name__}: {e}"})


asyncio.get_event_loop().run_until_complete(main())
