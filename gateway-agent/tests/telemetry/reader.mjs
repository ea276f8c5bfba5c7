// Reads the queue `orders` of a broker on loopback and prints what comes.
import rhea from "rhea";

const container = rhea.create_container();
container.on("receiver_open", () => console.log("open"));
container.on("message", (context) => {
  const { body } = context.message;
  console.log(Buffer.from(body.content ?? body).toString());
});
const connection = container.connect({
  host: "127.0.0.1",
  port: parseInt(process.env.BROKER_PORT, 10),
  username: "guest",
  password: "guest",
});
connection.open_receiver("/queue/orders");
