"""The official SDKs, unchanged but for the base URL."""
import json, os, shutil, subprocess

import anthropic, openai, pytest

from node import until

LONG = [{"role": "user", "content": "word " * 400}]
HELLO = [{"role": "user", "content": "hello there world"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


@pytest.fixture(scope="module")
def oai(shared, key):
    return openai.OpenAI(base_url=f"{shared.url}/v1", api_key=key, max_retries=0, timeout=20)


@pytest.fixture(scope="module")
def ant(shared, key):
    return anthropic.Anthropic(base_url=shared.url, api_key=key, max_retries=0, timeout=20)


def test_openai_chat_answers_with_usage(oai):
    r = oai.chat.completions.create(model="demo/demo", messages=HELLO)
    assert r.choices[0].message.content == "hello there world"
    assert r.usage.prompt_tokens > 0 and r.usage.completion_tokens > 0


def test_openai_stream_gives_every_word_and_no_unasked_usage(oai):
    chunks = list(oai.chat.completions.create(model="demo/demo", messages=HELLO, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello there world"
    assert all(c.usage is None for c in chunks)


def test_openai_stream_gives_usage_when_asked(oai):
    chunks = list(oai.chat.completions.create(model="demo/demo", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens > 0


def test_openai_tool_call_round_trip(oai):
    first = oai.chat.completions.create(model="demo/demo-tool", messages=HELLO, tools=[TOOL])
    call = first.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "demo"})
    messages = HELLO + [first.choices[0].message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    second = oai.chat.completions.create(model="demo/demo-tool", messages=messages, tools=[TOOL])
    assert second.choices[0].message.content == "The tool says: sunny"


def test_openai_embeddings_and_models(oai):
    r = oai.embeddings.create(model="demo/demo-embed", input=["a", "b"], encoding_format="float")
    assert len(r.data) == 2 and len(r.data[0].embedding) == 8
    ids = [m.id for m in oai.models.list()]
    assert any(i.endswith("demo-slow") for i in ids), ids


@pytest.mark.parametrize("model,error", [("no-such-model", openai.NotFoundError), ("demo/demo-fail-500", openai.InternalServerError)])
def test_openai_errors_have_their_class(oai, model, error):
    with pytest.raises(error) as e:
        oai.chat.completions.create(model=model, messages=HELLO)
    assert e.value.body and e.value.body.get("message")


def test_a_provider_s_429_is_a_rate_limit_error_and_takes_no_other_model_down(oai):
    """The provider's one credential rests after a 429, but there is no other: it is used all the same."""
    for _ in range(3):
        with pytest.raises(openai.RateLimitError) as e:
            oai.chat.completions.create(model="demo/demo-429", messages=HELLO)
        assert e.value.response.headers["retry-after"], "the provider's own header"
        assert oai.chat.completions.create(model="demo/demo", messages=HELLO).choices[0].message.content


def test_a_wrong_key_is_an_authentication_error_in_both_dialects(shared):
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{shared.url}/v1", api_key="sk_aur_wrong", max_retries=0).models.list()
    with pytest.raises(anthropic.AuthenticationError) as e:
        anthropic.Anthropic(base_url=shared.url, api_key="sk_aur_wrong", max_retries=0).messages.create(
            model="demo-anthropic/demo", max_tokens=10, messages=HELLO)
    assert e.value.body["type"] == "error"


def test_anthropic_messages_stream_and_count(ant):
    r = ant.messages.create(model="demo-anthropic/demo", max_tokens=100, messages=HELLO)
    assert r.content[0].text == "hello there world" and r.usage.output_tokens > 0
    with ant.messages.stream(model="demo-anthropic/demo", max_tokens=100, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "hello there world"
    counted = ant.messages.count_tokens(model="demo-anthropic/demo", messages=HELLO)
    assert counted.input_tokens == r.usage.input_tokens


def test_openai_abort_in_mid_stream_cancels_the_provider_s_request(oai, shared):
    seen = len(shared.demo_json("/cancellations")["cancellations"])
    stream = oai.chat.completions.create(model="demo/demo-slow", messages=LONG, stream=True)
    next(iter(stream))
    stream.close()
    until(lambda: len(shared.demo_json("/cancellations")["cancellations"]) > seen, "the provider sees the abort")


def test_anthropic_abort_in_mid_stream_cancels_the_provider_s_request(ant, shared):
    seen = len(shared.demo_json("/cancellations")["cancellations"])
    with ant.messages.stream(model="demo-anthropic/demo-slow", max_tokens=1000, messages=LONG) as stream:
        next(iter(stream.text_stream))
    until(lambda: len(shared.demo_json("/cancellations")["cancellations"]) > seen, "the provider sees the abort")


def test_anthropic_tool_round_trip(ant):
    tool = {"name": "weather", "input_schema": TOOL["function"]["parameters"]}
    first = ant.messages.create(model="demo-anthropic/demo-tool", max_tokens=100, messages=HELLO, tools=[tool])
    call = next(b for b in first.content if b.type == "tool_use")
    assert first.stop_reason == "tool_use" and call.name == "weather"
    messages = HELLO + [{"role": "assistant", "content": [b.model_dump() for b in first.content]},
                        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}]
    second = ant.messages.create(model="demo-anthropic/demo-tool", max_tokens=100, messages=messages, tools=[tool])
    assert "sunny" in second.content[0].text


@pytest.mark.parametrize("model,error", [("no-such-model", anthropic.NotFoundError), ("demo-anthropic/demo-fail-500", anthropic.InternalServerError),
                                         ("demo-anthropic/demo-429", anthropic.RateLimitError)])
def test_anthropic_errors_have_their_class_and_shape(ant, model, error):
    with pytest.raises(error) as e:
        ant.messages.create(model=model, max_tokens=10, messages=HELLO)
    assert e.value.body["type"] == "error" and e.value.body["error"]["message"]


def test_openai_completions_moderations_and_responses_are_relayed(oai):
    assert oai.completions.create(model="demo/demo", prompt="hello there").choices[0].text
    assert oai.moderations.create(model="demo/demo", input="hello").results
    with pytest.raises(openai.APIStatusError) as e:
        oai.files.list()
    assert e.value.status_code == 501


def test_a_tool_call_streams_through(oai):
    chunks = list(oai.chat.completions.create(model="demo/demo-tool", messages=HELLO, tools=[TOOL], stream=True))
    calls = [t for c in chunks if c.choices for t in c.choices[0].delta.tool_calls or []]
    assert calls[0].function.name == "weather" and json.loads("".join(t.function.arguments or "" for t in calls)) == {"city": "demo"}


def test_node_sdks(shared, key):
    js = os.path.join(os.path.dirname(__file__), "../../build/e2e-js")
    if not shutil.which("node") or not os.path.isdir(f"{js}/node_modules"):
        pytest.skip("node is not installed")
    r = subprocess.run(["node", "sdks.mjs", shared.url, key], cwd=js, capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    out = json.loads(r.stdout)
    assert out["chat"] == out["stream"] == out["message"] == out["messageStream"] == "hello from node"
    assert out["aborted"] is True
    assert out["notFound"] == {"name": "NotFoundError", "status": 404, "code": "model_not_found"}
