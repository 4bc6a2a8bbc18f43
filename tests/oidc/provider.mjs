// A real OIDC provider on loopback, for tests: `oidc-provider` with the client_credentials grant and
// JWT access tokens, plus a few `/control/*` pages that make it misbehave.
//
//   node provider.mjs HOME '{"resource": "https://api.example", "scopes": "chat docs",
//                            "clients": ["alice", "bob"], "algorithm": "RS256", "ttl": 600,
//                            "basic": ["web"], "signing": {"robot": PUBLIC_JWK},
//                            "opaque": ["carol"], "named": ["https://fga.example"],
//                            "state": FILE, "port": 0}'
//
// HOME is the folder whose node_modules has oidc-provider. Its keys are kept in FILE, so that one started
// again with the same FILE and port is the same provider. It listens on `port` (0 = a free one) of 127.0.0.1 and
// prints one line of JSON, {"issuer": URL}, when it answers. A client's secret is its name followed by
// `-secret`, and its tokens' `sub` is its name. `clients` send their secret in the form, `basic` ones
// in a header, `signing` ones prove themselves with their key (private_key_jwt). `opaque` ones send it in
// the form too, and their tokens say nothing: the introspection endpoint, which any client may ask,
// tells what they are worth. A token that is asked for with a DPoP proof is bound to the proof's key.
// Tokens are for `resource`, unless the form has `audience` with one of `named`, as Auth0 wants it.
//
// Every client may also exchange an access token of this provider for another one about the same
// subject (RFC 8693), for the audience `resource` alone.
//
//   POST /control/rotate[?keep=N]      new signing key; the N newest of the old ones stay published
//   POST /control/jwks?mode=MODE       ok | error (500) | garbage (200, not JSON) | slow (10 s) | hangup
//   POST /control/logout?client=C&sub=S&sid=I&to=URL   sends C's logout token about S (and of session
//                                      I, if given) to URL, and answers {"status": N} with what that said
//   GET  /control/counts               {"jwks": N, "discovery": N, "token": N, "introspection": N} since
//                                      the start
import { createServer } from 'node:http';
import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [home, settings] = process.argv.slice(2);
const { resource, scopes, clients, algorithm, ttl, basic = [], signing = {}, opaque = [], named = [], state, port = 0 } = JSON.parse(settings);
const library = (...path) => import(pathToFileURL(join(home, 'node_modules', ...path)));
const { Provider, errors } = await library('oidc-provider', 'lib', 'index.js');
const { createLocalJWKSet, jwtVerify } = await library('jose', 'dist', 'webapi', 'index.js');
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const SHAPES = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

// By way of PEM: exporting the very object that was generated as a JWK hangs now and then in Node 20.
function newKey() {
  const [type, shape] = SHAPES[algorithm];
  const { privateKey } = generateKeyPairSync(type, {
    ...shape,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const jwk = createPrivateKey(privateKey).export({ format: 'jwk' });
  return { ...jwk, kid: randomUUID(), use: 'sig', alg: algorithm };
}

let logoutTo = {};

function client(name, more) {
  return {
    ...(logoutTo.client === name && {
      backchannel_logout_uri: logoutTo.uri,
      backchannel_logout_session_required: logoutTo.withSession,
    }),
    client_id: name,
    grant_types: ['client_credentials', EXCHANGE],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: algorithm,
    ...more,
  };
}

function withSecret(name, method) {
  return client(name, { client_secret: `${name}-secret`, token_endpoint_auth_method: method });
}

// The grant of RFC 8693, as the library wants grants of others' to be added.
function addExchange(made, keys) {
  const known = createLocalJWKSet({ keys: keys.map(({ d, p, q, dp, dq, qi, ...key }) => key) });
  const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope'];
  made.registerGrantType(EXCHANGE, async (ctx) => {
    const { params, client: asking } = ctx.oidc;
    if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('subject_token_type');
    if (params.audience !== resource) throw new errors.InvalidTarget('audience');
    const shown = await jwtVerify(params.subject_token ?? '', known, { issuer: made.issuer }).catch(() => {
      throw new errors.InvalidGrant('subject_token');
    });
    const token = new made.AccessToken({ accountId: shown.payload.sub, client: asking, gty: 'token_exchange' });
    token.scope = params.scope;
    token.resourceServer = new made.ResourceServer(resource, resourceServer());
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: token.expiration,
    };
  }, parameters);
  return made;
}

function resourceServer(ctx, indicator = resource, asking = undefined) {
  if (![resource, ...named].includes(indicator)) throw new errors.InvalidTarget('audience');
  return {
    scope: scopes,
    audience: indicator,
    accessTokenFormat: asking && opaque.includes(asking.clientId) ? 'opaque' : 'jwt',
    accessTokenTTL: ttl,
    jwt: { sign: { alg: algorithm } },
  };
}

// One instance has one key set for life, so rotating means making another one for the same issuer. All of
// them remember the same tokens: the library's own memory is one instance's.
const remembered = new Map();
const adapter = (model) => ({
  upsert: async (id, payload) => { remembered.set(`${model}:${id}`, payload); },
  find: async (id) => remembered.get(`${model}:${id}`),
  destroy: async (id) => { remembered.delete(`${model}:${id}`); },
});

function provider(issuer, keys) {
  return addExchange(new Provider(issuer, {
    adapter,
    jwks: { keys },
    clients: [
      ...clients.map((name) => withSecret(name, 'client_secret_post')),
      ...opaque.map((name) => withSecret(name, 'client_secret_post')),
      ...basic.map((name) => withSecret(name, 'client_secret_basic')),
      ...Object.entries(signing).map(([name, key]) => client(name, {
        jwks: { keys: [key] },
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: key.alg,
      })),
    ],
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA', 'HS256'] },
    scopes: scopes.split(' '),
    // The library's own refuses to send anything to loopback, where tests live.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx) => ctx.oidc.body?.audience ?? resource,
        getResourceServerInfo: resourceServer,
      },
    },
  }), keys);
}

let keys = existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')) : [newKey()];
const keep = () => writeFileSync(state, JSON.stringify(keys));
keep();
let mode = 'ok';
let answer;
const counts = { jwks: 0, discovery: 0, token: 0, introspection: 0 };

async function logout(query, response) {
  logoutTo = { client: query.get('client'), uri: query.get('to'), withSession: query.has('sid') };
  const asking = await provider(issuer, keys).Client.find(logoutTo.client);
  const status = await asking.backchannelLogout(query.get('sub'), query.get('sid') ?? undefined)
    .then(() => 200, (error) => error.response?.status ?? String(error));
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ status }));
}

function control(url, response) {
  if (url.pathname === '/control/logout') return logout(url.searchParams, response);
  if (url.pathname === '/control/rotate') {
    keys = [newKey(), ...keys.slice(0, Number(url.searchParams.get('keep') ?? 0))];
    keep();
    answer = provider(issuer, keys).callback();
  } else if (url.pathname === '/control/jwks') {
    mode = url.searchParams.get('mode');
  } else if (url.pathname !== '/control/counts') {
    response.statusCode = 404;
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ ...counts, kids: keys.map((key) => key.kid) }));
}

const server = createServer((request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname.startsWith('/control/')) return control(url, response);
  if (url.pathname === '/token') counts.token += 1;
  if (url.pathname === '/token/introspection') counts.introspection += 1;
  if (url.pathname.startsWith('/.well-known/')) counts.discovery += 1;
  if (url.pathname === '/jwks') {
    counts.jwks += 1;
    if (mode === 'error') return response.writeHead(500).end('broken on purpose');
    if (mode === 'garbage') return response.writeHead(200, { 'content-type': 'application/json' }).end('<html>');
    if (mode === 'hangup') return request.socket.destroy();
    if (mode === 'slow') return setTimeout(() => answer(request, response), 10_000);
  }
  return answer(request, response);
});

await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
answer = provider(issuer, keys).callback();
process.stdout.write(`${JSON.stringify({ issuer })}\n`);
process.on('SIGTERM', () => process.exit(0));
