// An event hub for tests: AMQP 1.0 by npm `rhea`, keys by SASL PLAIN, tokens by claims-based security on `$cbs`.
import fs from "node:fs";
import rhea from "rhea";

const say = (what) => console.log(JSON.stringify(what));
const container = rhea.create_container();
container.sasl_server_mechanisms.enable_plain((user, key) => user === "send" && key === "key==");
container.sasl_server_mechanisms.enable_anonymous();

const tls = process.env.HUB_CERT && {
  transport: "tls",
  cert: fs.readFileSync(process.env.HUB_CERT),
  key: fs.readFileSync(process.env.HUB_KEY),
};
let answers;
let signed = !tls;

container.on("sender_open", (context) => {
  context.sender.set_source({ address: context.sender.source.address });
  answers = context.sender;
});
container.on("receiver_open", (context) => {
  context.receiver.set_target({ address: context.receiver.target.address });
});
container.on("message", (context) => {
  const { message, receiver } = context;
  const address = receiver.target.address;
  if (address === "$cbs") {
    const { operation, type, name } = message.application_properties;
    signed = operation === "put-token" && type === "jwt" && message.body === "the-token";
    say({ signed, name });
    answers.send({
      correlation_id: message.message_id,
      application_properties: {
        "status-code": rhea.types.wrap_int(signed ? 202 : 401),
        "status-description": signed ? "Accepted" : "Unauthorized",
      },
      body: "",
    });
    return;
  }
  if (!signed) {
    receiver.close({ condition: "amqp:unauthorized-access", description: "no token" });
    return;
  }
  const body = Buffer.from(message.body.content).toString();
  const key = message.message_annotations?.["x-opt-partition-key"];
  say({ address, key, length: body.length, body: body.slice(0, 100) });
});
container.on("disconnected", () => {});
container.on("error", () => {});

const server = container.listen({ port: 0, host: tls ? "localhost" : "127.0.0.1", ...(tls || {}) });
server.on("listening", () => say({ port: server.address().port }));
