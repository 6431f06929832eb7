// A fixed provider for measurements: JSON of about 1 KB at once, or SSE with a set gap between
// chunks. Usage: mock_upstream PORT GAP_MS CHUNKS [SECONDS_TO_LIVE] Each SSE chunk carries
// `"created":<uv_hrtime ns>`, left-justified and space-padded (leading zeros are not JSON), so that
// sse_load can tell how long the chunk was on its way.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <signal.h>
#include <unistd.h>
#include <uv.h>

namespace {

struct Settings {
  uint64_t gap_ms = 0;
  int chunks = 100;
  std::string json;
  std::string content;
};

Settings g_settings;          // set once in main, before the loop runs
char g_read_buffer[1 << 18];  // one loop, so one buffer

struct Connection {
  uv_tcp_t tcp{};
  uv_timer_t timer{};
  std::string input;
  int chunks_left = 0;
  int handles = 2;
};

struct PendingWrite {
  uv_write_t request{};
  std::string bytes;
};

void OnClosed(uv_handle_t* handle) {
  auto* c = static_cast<Connection*>(handle->data);
  if (--c->handles == 0) {
    delete c;
  }
}

void Close(Connection* c) {
  if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&c->tcp)) == 0) {
    uv_close(reinterpret_cast<uv_handle_t*>(&c->tcp), OnClosed);
    uv_close(reinterpret_cast<uv_handle_t*>(&c->timer), OnClosed);
  }
}

void Send(Connection* c, std::string_view bytes) {
  uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  int written = uv_try_write(reinterpret_cast<uv_stream_t*>(&c->tcp), &buffer, 1);
  written = std::max(written, 0);
  if (static_cast<size_t>(written) == bytes.size()) {
    return;
  }
  auto* pending = new PendingWrite{{}, std::string(bytes.substr(static_cast<size_t>(written)))};
  pending->request.data = pending;
  buffer = uv_buf_init(pending->bytes.data(), static_cast<unsigned>(pending->bytes.size()));
  const int rc = uv_write(&pending->request, reinterpret_cast<uv_stream_t*>(&c->tcp), &buffer, 1,
                          [](uv_write_t* w, int) { delete static_cast<PendingWrite*>(w->data); });
  if (rc != 0) {
    delete pending;
  }
}

void SendChunk(Connection* c) {
  const auto now = static_cast<unsigned long long>(uv_hrtime());
  char event[1024];
  int n = 0;
  if (c->chunks_left > 1) {
    n = std::snprintf(
        event, sizeof event,
        "data: "
        "{\"id\":\"chatcmpl-abc123\",\"object\":\"chat.completion.chunk\",\"created\":%-20llu,"
        "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},"
        "\"finish_reason\":null}]}\n\n",
        now, g_settings.content.c_str());
  } else {
    n = std::snprintf(
        event, sizeof event,
        "data: "
        "{\"id\":\"chatcmpl-abc123\",\"object\":\"chat.completion.chunk\",\"created\":%-20llu,"
        "\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":120,"
        "\"completion_tokens\":5000,\"total_tokens\":5120}}\n\ndata: [DONE]\n\n",
        now);
  }
  char frame[1200];
  const int m = std::snprintf(frame, sizeof frame, "%x\r\n%.*s\r\n%s", n, n, event,
                              c->chunks_left == 1 ? "0\r\n\r\n" : "");
  --c->chunks_left;
  Send(c, {frame, static_cast<size_t>(m)});
}

void OnTimer(uv_timer_t* timer) {
  auto* c = static_cast<Connection*>(timer->data);
  SendChunk(c);
  if (c->chunks_left <= 0) {
    uv_timer_stop(timer);
  }
}

void Answer(Connection* c, bool stream) {
  if (!stream) {
    Send(c, g_settings.json);
    return;
  }
  c->chunks_left = g_settings.chunks;
  Send(c,
       "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
       "Transfer-Encoding: chunked\r\nx-request-id: req_0123456789\r\n\r\n");
  if (g_settings.gap_ms == 0) {
    while (c->chunks_left > 0) {
      SendChunk(c);
    }
    return;
  }
  SendChunk(c);
  if (c->chunks_left > 0) {
    uv_timer_start(&c->timer, OnTimer, g_settings.gap_ms, g_settings.gap_ms);
  }
}

size_t ContentLength(const std::string& head) {
  const char* at = ::strcasestr(head.c_str(), "\ncontent-length:");
  return at == nullptr ? 0 : std::strtoul(at + 16, nullptr, 10);
}

void Process(Connection* c) {
  while (true) {
    const size_t end = c->input.find("\r\n\r\n");
    if (end == std::string::npos) {
      return;
    }
    const size_t head = end + 4;
    const size_t length = ContentLength(c->input.substr(0, head));
    if (c->input.size() < head + length) {
      return;
    }
    // The flag stands near one end of every body the harness sends.
    const std::string_view body = std::string_view(c->input).substr(head, length);
    const size_t window = std::min<size_t>(length, 2048);
    const bool stream =
        body.substr(0, window).find("\"stream\":true") != std::string_view::npos ||
        body.substr(length - window).find("\"stream\":true") != std::string_view::npos;
    c->input.erase(0, head + length);
    Answer(c, stream);
  }
}

void OnRead(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer) {
  auto* c = static_cast<Connection*>(stream->data);
  if (n < 0) {
    Close(c);
  } else if (n > 0) {
    c->input.append(buffer->base, static_cast<size_t>(n));
    Process(c);
  }
}

void OnConnection(uv_stream_t* server, int) {
  auto* c = new Connection;
  uv_tcp_init(server->loop, &c->tcp);
  uv_timer_init(server->loop, &c->timer);
  c->tcp.data = c->timer.data = c;
  if (uv_accept(server, reinterpret_cast<uv_stream_t*>(&c->tcp)) != 0) {
    Close(c);
    return;
  }
  uv_tcp_nodelay(&c->tcp, 1);
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&c->tcp),
      [](uv_handle_t*, size_t, uv_buf_t* b) {
        *b = uv_buf_init(g_read_buffer, sizeof g_read_buffer);
      },
      OnRead);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: mock_upstream PORT GAP_MS CHUNKS [SECONDS_TO_LIVE]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  g_settings.gap_ms = std::strtoul(argv[2], nullptr, 10);
  g_settings.chunks = std::atoi(argv[3]);
  alarm(argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 3000);
  for (int i = 0; i < 200; ++i) {
    g_settings.content += "the quick brown fox jumps "[i % 26];
  }
  const std::string text = g_settings.content + g_settings.content + g_settings.content;
  const std::string body =
      "{\"id\":\"chatcmpl-abc123\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":"
      "\"gpt-4o-mini\","
      "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" +
      text +
      "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":160,"
      "\"total_tokens\":280,\"prompt_tokens_details\":{\"cached_tokens\":0}},"
      "\"system_fingerprint\":\"fp_0123456789\"}";
  g_settings.json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\nx-request-id: req_0123456789\r\n\r\n" + body;

  uv_loop_t* loop = uv_default_loop();
  uv_tcp_t server;
  uv_tcp_init(loop, &server);
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", std::atoi(argv[1]), &address);
  uv_tcp_bind(&server, reinterpret_cast<const sockaddr*>(&address), 0);
  const int rc = uv_listen(reinterpret_cast<uv_stream_t*>(&server), 4096, OnConnection);
  if (rc != 0) {
    std::fprintf(stderr, "mock_upstream: 127.0.0.1:%s: %s\n", argv[1], uv_strerror(rc));
    return 1;
  }
  return uv_run(loop, UV_RUN_DEFAULT);
}
