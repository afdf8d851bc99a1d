// Loaded before the scripts under test: every name leads to the emulator of AWS, as a resolver of its own would do.
import tls from "node:tls";

const connect = tls.connect;
const port = Number(process.env.EMULATOR_PORT);
tls.connect = (options, ...rest) => connect({ ...options, host: "127.0.0.1", port, servername: options.servername ?? options.host }, ...rest);
