// A standards-complete OpenID provider for tests, in one process: npm `oidc-provider` with one RSA key.
//
// Environment: PORT (0: any), KID. Prints one line of JSON when it listens: its port, and two forged tokens that a
// gateway must refuse: one signed with the public key as an HMAC secret, one without a signature.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const kid = process.env.KID;
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...privateKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' };

const server = createServer();
server.listen(Number(process.env.PORT), '127.0.0.1', () => {
  const { port } = server.address();
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [jwk] },
    clients: [{
      client_id: 'app', client_secret: 'secret', grant_types: ['client_credentials'],
      redirect_uris: [], response_types: [], token_endpoint_auth_method: 'client_secret_post',
    }],
    scopes: ['read'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'read', audience: 'api://orders', accessTokenFormat: 'jwt', accessTokenTTL: 600,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  server.on('request', provider.callback());
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = encode({ iss: issuer, aud: 'api://orders', scope: 'read', exp: Math.floor(Date.now() / 1000) + 600 });
  const hmac = `${encode({ alg: 'HS256', kid, typ: 'JWT' })}.${claims}`;
  const secret = publicKey.export({ format: 'pem', type: 'spki' });
  const confused = `${hmac}.${createHmac('sha256', secret).update(hmac).digest('base64url')}`;
  const unsigned = `${encode({ alg: 'none', typ: 'JWT' })}.${claims}.`;
  console.log(JSON.stringify({ port, confused, unsigned }));
});
