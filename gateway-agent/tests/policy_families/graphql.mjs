// A GraphQL server for tests: npm `graphql-http` over `graphql`. Prints one line of JSON when it listens: its port and
// its schema.
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { createHandler } from 'graphql-http/lib/use/http';

const schema = 'type Query { user(id: Int!): User } type User { name: String age: Int secret: String friend: User }';
const bob = { name: 'bob', age: 40, secret: 'b' };
const ann = { name: 'ann', age: 30, secret: 'a', friend: bob };
const handler = createHandler({
  schema: buildSchema(schema),
  rootValue: { user: ({ id }) => (id === 1 ? ann : bob) },
});
const server = createServer((request, response) => handler(request, response));
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port, schema }));
});
