// The token side of Entra by a real provider, npm `oidc-provider`: client credentials with a secret, and with a client
// assertion signed by a certificate's key (RFC 7523), at the address that Entra uses: /{tenant}/oauth2/v2.0/token.
//
// Environment: TENANT, AUDIENCE, CLIENT, SECRET, KEY (PEM file of the application's RSA key). Prints one line of JSON.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const { TENANT, AUDIENCE, CLIENT, SECRET, KEY } = process.env;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'tenant', alg: 'RS256', use: 'sig' };
const application = createPublicKey(createPrivateKey(readFileSync(KEY))).export({ format: 'jwk' });
const scope = `${AUDIENCE}/.default`;
const client = {
  grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope,
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    jwks: { keys: [jwk] },
    routes: { token: `/${TENANT}/oauth2/v2.0/token`, jwks: `/${TENANT}/discovery/v2.0/keys` },
    scopes: [scope],
    clients: [
      { ...client, client_id: CLIENT, client_secret: SECRET, token_endpoint_auth_method: 'client_secret_post' },
      {
        ...client, client_id: `${CLIENT}-certificate`, token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'PS256', jwks: { keys: [{ ...application, use: 'sig', alg: 'PS256' }] },
      },
    ],
    enabledJWA: { clientAuthSigningAlgValues: ['PS256', 'RS256'] },
    clientAuthMethods: ['client_secret_post', 'private_key_jwt'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope, audience: AUDIENCE, accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ port }));
});
