// The official JavaScript SDKs, unchanged but for the base URL. Prints one JSON object; the caller asserts on it.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [base, apiKey] = process.argv.slice(2);
const messages = [{ role: "user", content: "hello from node" }];
const out = {};

const openai = new OpenAI({ baseURL: `${base}/v1`, apiKey, maxRetries: 0 });
out.chat = (await openai.chat.completions.create({ model: "demo/demo", messages })).choices[0].message.content;
out.stream = "";
for await (const chunk of await openai.chat.completions.create({ model: "demo/demo", messages, stream: true })) {
  out.stream += chunk.choices[0]?.delta?.content ?? "";
}
const controller = new AbortController();
const slow = await openai.chat.completions.create(
  { model: "demo/demo-slow", messages: [{ role: "user", content: "word ".repeat(400) }], stream: true }, { signal: controller.signal });
for await (const _ of slow) {
  controller.abort();
}
out.aborted = controller.signal.aborted;
try {
  await openai.chat.completions.create({ model: "no-such-model", messages });
} catch (error) {
  out.notFound = { name: error.constructor.name, status: error.status, code: error.code };
}

const anthropic = new Anthropic({ baseURL: base, apiKey, maxRetries: 0 });
const message = await anthropic.messages.create({ model: "demo-anthropic/demo", max_tokens: 100, messages });
out.message = message.content[0].text;
const stream = anthropic.messages.stream({ model: "demo-anthropic/demo", max_tokens: 100, messages });
out.messageStream = (await stream.finalMessage()).content[0].text;
console.log(JSON.stringify(out));
