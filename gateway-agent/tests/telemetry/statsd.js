// Configuration of npm `statsd`: everything on loopback, every line printed.
{
  address: "127.0.0.1",
  port: parseInt(process.env.STATSD_PORT, 10),
  mgmt_address: "127.0.0.1",
  mgmt_port: parseInt(process.env.STATSD_MANAGEMENT, 10),
  backends: ["./backends/console"],
  dumpMessages: true
}
