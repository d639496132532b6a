// An XMPP client under remote control: strophe.js over WebSocket, told what to
// do on stdin, in the lines that testdata/drivers/slixmpp_driver.py describes.
// "connect" and "register" take "ws", the URL of the WebSocket (RFC 7395).
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { Strophe, $iq, $pres } from 'strophe.js';

const TIMEOUT = 20000; // milliseconds for anything the server is asked
const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing';
const DISCO = 'http://jabber.org/protocol/disco#info';
const CAPS = 'http://jabber.org/protocol/caps';
const CLIENT = 'urn:example:strophe-driver';

Strophe.setLogLevel(Strophe.LogLevel.FATAL);
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const parse = (xml) => new DOMParser().parseFromString(xml, 'text/xml').documentElement;

let connection;
let onClosed = () => {};
let features = [DISCO];
const pending = new Set();

// XEP-0077 §3.1 before login, spoken by hand: strophe.js needs a plugin for it.
function register({ jid, password, ws }) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(ws, 'xmpp');
    const stop = (settle, value) => { clearTimeout(timer); socket.close(); settle(value); };
    const timer = setTimeout(() => stop(reject, new Error('no answer')), TIMEOUT);
    socket.onerror = (e) => stop(reject, new Error(e.message));
    socket.onclose = () => stop(reject, new Error('the server closed the stream'));
    socket.onopen = () => socket.send(`<open xmlns='${FRAMING}' version='1.0' to='${Strophe.getDomainFromJid(jid)}'/>`);
    socket.onmessage = ({ data }) => {
      const element = parse(data);
      if (element.localName === 'features') {
        socket.send($iq({ xmlns: 'jabber:client', type: 'set', id: 'reg' }).c('query', { xmlns: 'jabber:iq:register' })
          .c('username', {}, Strophe.getNodeFromJid(jid)).c('password', {}, password).toString());
      } else if (element.localName === 'iq') {
        stop(resolve, element.getAttribute('type') === 'result' ? {} : { error: condition(element) });
      } else if (element.localName === 'error' || element.localName === 'close') {
        stop(reject, new Error(data));
      }
    };
  });
}

function connect({ jid, password, ws }) {
  connection = new Strophe.Connection(ws, { protocol: 'ws' });
  return new Promise((resolve) => {
    connection.connect(jid, password, (status, reason) => {
      switch (status) {
        case Strophe.Status.CONNECTED:
          connection.addHandler(receive, null, null, null, null, null);
          resolve({ jid: connection.jid });
          break;
        case Strophe.Status.AUTHFAIL:
          resolve({ error: 'not-authorized' });
          break;
        case Strophe.Status.CONNFAIL:
        case Strophe.Status.CONNTIMEOUT:
          resolve({ error: reason || 'connection failed' });
          break;
        case Strophe.Status.DISCONNECTED:
          resolve({ error: reason || 'closed' }); // counts only before CONNECTED
          say({ closed: reason || 'closed' });
          onClosed();
          break;
      }
    });
  });
}

function receive(stanza) {
  if (!pending.has(stanza.getAttribute('id'))) {
    say({ stanza: Strophe.serialize(stanza) });
  }
  const type = stanza.getAttribute('type');
  if (stanza.localName === 'iq' && (type === 'get' || type === 'set')) {
    answer(stanza);
  }
  return true; // keep the handler
}

// answer tells what the capabilities in our presence stand for (XEP-0115 §6.2)
// and accepts roster pushes (RFC 6121 §2.1.6); anything else is not for us.
function answer(iq) {
  const to = iq.getAttribute('from');
  const head = { id: iq.getAttribute('id'), ...(to && { to }) };
  const query = iq.firstElementChild;
  if (query?.namespaceURI === DISCO) {
    const reply = $iq({ ...head, type: 'result' }).c('query', { xmlns: DISCO, node: query.getAttribute('node') || '' })
      .c('identity', { category: 'client', type: 'web', name: 'strophe' }).up();
    features.forEach((f) => reply.c('feature', { var: f }).up());
    connection.send(reply);
  } else if (query?.namespaceURI === 'jabber:iq:roster' && iq.getAttribute('type') === 'set') {
    connection.send($iq({ ...head, type: 'result' }));
  } else {
    connection.send($iq({ ...head, type: 'error' }).c('error', { type: 'cancel' })
      .c('service-unavailable', { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }));
  }
}

function send({ xml }) {
  const stanza = parse(xml);
  if (stanza.localName !== 'iq' || !['get', 'set'].includes(stanza.getAttribute('type'))) {
    connection.send(stanza);
    return {};
  }
  const id = stanza.getAttribute('id') || connection.getUniqueId();
  stanza.setAttribute('id', id);
  pending.add(id);
  return new Promise((resolve) => {
    const settle = (reply) => {
      pending.delete(id);
      resolve(reply ? { xml: Strophe.serialize(reply) } : { error: `no answer within ${TIMEOUT} ms` });
    };
    connection.sendIQ(stanza, settle, settle, TIMEOUT);
  });
}

function available({ features: more = [] }) {
  features = [...new Set([DISCO, ...more])].sort();
  // XEP-0115 §5.1: identity, then the sorted features, each followed by '<'.
  const text = 'client/web//strophe<' + features.map((f) => f + '<').join('');
  const ver = createHash('sha1').update(text).digest('base64');
  connection.send($pres().c('c', { xmlns: CAPS, hash: 'sha-1', node: CLIENT, ver }));
  return {};
}

function disconnect() {
  return new Promise((resolve) => {
    onClosed = () => resolve({});
    connection.disconnect('bye');
  });
}

function condition(iq) {
  const error = iq.getElementsByTagNameNS('urn:ietf:params:xml:ns:xmpp-stanzas', '*')[0];
  return error ? error.localName : 'refused';
}

const commands = { register, connect, send, available, disconnect };
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    say({ answer: await commands[command.do](command) });
  } catch (e) {
    say({ answer: { error: e.message } });
  }
}
process.exit(0);
