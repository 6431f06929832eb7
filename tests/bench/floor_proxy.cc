// The physical limit: a libuv pass-through that understands HTTP/1.1 just enough to find where
// messages end. Usage: floor_proxy PORT UPSTREAM_PORT [SECONDS_TO_LIVE] No policy, no limits, no
// errors worth the name: every proxy in tools/bench is compared with this one.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <signal.h>
#include <strings.h>
#include <unistd.h>
#include <uv.h>

namespace {

sockaddr_in g_upstream_address;  // set once in main
char g_read_buffer[1 << 16];

struct Upstream;

struct Client {
  uv_tcp_t tcp{};
  Upstream* upstream = nullptr;
  size_t body_left = 0;
  std::string head;  // only while a head straddles reads
};

// Where the response is: header, counted body, chunk size, chunk data, trailer.
enum class Part { kHead, kBody, kChunkSize, kChunkData, kTrailer };

struct Upstream {
  uv_tcp_t tcp{};
  uv_connect_t connect{};
  Client* client = nullptr;
  bool connected = false;
  Part part = Part::kHead;
  size_t left = 0;
  int line_bytes = 0;
  std::string pending;  // what the client sent before the connection stood
};

std::vector<Upstream*> g_pool;

template <class T>
uv_stream_t* Stream(T* t) {
  return reinterpret_cast<uv_stream_t*>(&t->tcp);
}
template <class T>
uv_handle_t* Handle(T* t) {
  return reinterpret_cast<uv_handle_t*>(&t->tcp);
}

void CloseUpstream(Upstream* u) {
  if (uv_is_closing(Handle(u)) == 0) {
    g_pool.erase(std::remove(g_pool.begin(), g_pool.end(), u), g_pool.end());
    uv_close(Handle(u), [](uv_handle_t* h) { delete static_cast<Upstream*>(h->data); });
  }
}

void CloseClient(Client* c) {
  if (uv_is_closing(Handle(c)) != 0) {
    return;
  }
  if (c->upstream != nullptr) {
    c->upstream->client = nullptr;
    CloseUpstream(c->upstream);
    c->upstream = nullptr;
  }
  uv_close(Handle(c), [](uv_handle_t* h) { delete static_cast<Client*>(h->data); });
}

void Allocate(uv_handle_t*, size_t, uv_buf_t* b) {
  *b = uv_buf_init(g_read_buffer, sizeof g_read_buffer);
}
void OnClientRead(uv_stream_t* s, ssize_t n, const uv_buf_t* b);
void OnUpstreamRead(uv_stream_t* s, ssize_t n, const uv_buf_t* b);

struct PendingWrite {
  uv_write_t request{};
  std::string bytes;
  uv_stream_t* source = nullptr;
  uv_read_cb resume = nullptr;
};

void Forward(uv_stream_t* to, std::string_view bytes, uv_stream_t* source, uv_read_cb resume) {
  uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const auto written = static_cast<size_t>(std::max(uv_try_write(to, &buffer, 1), 0));
  if (written == bytes.size()) {
    return;
  }
  auto* pending = new PendingWrite{{}, std::string(bytes.substr(written)), source, resume};
  pending->request.data = pending;
  uv_read_stop(source);
  buffer = uv_buf_init(pending->bytes.data(), static_cast<unsigned>(pending->bytes.size()));
  const int rc = uv_write(&pending->request, to, &buffer, 1, [](uv_write_t* w, int status) {
    auto* p = static_cast<PendingWrite*>(w->data);
    if (status == 0 && uv_is_closing(reinterpret_cast<uv_handle_t*>(p->source)) == 0) {
      uv_read_start(p->source, Allocate, p->resume);
    }
    delete p;
  });
  if (rc != 0) {
    delete pending;
  }
}

void OnConnect(uv_connect_t* request, int status) {
  auto* u = static_cast<Upstream*>(request->data);
  if (uv_is_closing(Handle(u)) != 0) {
    return;
  }
  if (status != 0) {
    if (u->client != nullptr) {
      u->client->upstream = nullptr;
      CloseClient(u->client);
    }
    CloseUpstream(u);
    return;
  }
  u->connected = true;
  uv_tcp_nodelay(&u->tcp, 1);
  uv_read_start(Stream(u), Allocate, OnUpstreamRead);
  const std::string pending = std::move(u->pending);
  if (u->client != nullptr && !pending.empty()) {
    Forward(Stream(u), pending, Stream(u->client), OnClientRead);
  }
}

Upstream* Take(Client* c) {
  Upstream* u = nullptr;
  if (!g_pool.empty()) {
    u = g_pool.back();
    g_pool.pop_back();
  } else {
    u = new Upstream;
    uv_tcp_init(uv_default_loop(), &u->tcp);
    u->tcp.data = u->connect.data = u;
    uv_tcp_connect(&u->connect, &u->tcp, reinterpret_cast<const sockaddr*>(&g_upstream_address),
                   OnConnect);
  }
  u->client = c;
  u->part = Part::kHead;
  c->upstream = u;
  return u;
}

void ToUpstream(Client* c, std::string_view bytes) {
  Upstream* u = c->upstream;
  if (u->connected) {
    Forward(Stream(u), bytes, Stream(c), OnClientRead);
  } else {
    u->pending.append(bytes);
  }
}

size_t BodyLength(std::string_view head, bool* chunked) {
  size_t length = 0;
  *chunked = false;
  for (size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    const std::string_view line = head.substr(at + 1);
    if (line.size() > 16 && (line[0] | 32) == 'c' &&
        strncasecmp(line.data(), "content-length:", 15) == 0) {
      length = std::strtoul(line.data() + 15, nullptr, 10);
    } else if (line.size() > 18 && (line[0] | 32) == 't' &&
               strncasecmp(line.data(), "transfer-encoding:", 18) == 0) {
      *chunked = true;
    }
  }
  return length;
}

void OnClientRead(uv_stream_t* s, ssize_t n, const uv_buf_t* b) {
  auto* c = static_cast<Client*>(s->data);
  if (n <= 0) {
    if (n < 0) {
      CloseClient(c);
    }
    return;
  }
  std::string_view bytes(b->base, static_cast<size_t>(n));
  if (c->body_left > 0) {
    const size_t k = std::min(bytes.size(), c->body_left);
    c->body_left -= k;
    if (c->upstream != nullptr) {
      ToUpstream(c, bytes.substr(0, k));
    } else {
      CloseClient(c);
    }
    return;
  }
  if (!c->head.empty()) {
    c->head.append(bytes);
    bytes = c->head;
  }
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (c->head.empty()) {
      c->head = bytes;
    }
    return;
  }
  if (c->upstream != nullptr) {  // pipelining: not here
    CloseClient(c);
    return;
  }
  bool chunked = false;
  const size_t total = end + 4 + BodyLength(bytes.substr(0, end + 2), &chunked);
  const size_t k = std::min(bytes.size(), total);
  c->body_left = total - k;
  Take(c);
  ToUpstream(c, bytes.substr(0, k));
  c->head.clear();
}

size_t ScanHead(Upstream* u, std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return bytes.size();
  }
  bool chunked = false;
  u->left = BodyLength(bytes.substr(0, end + 2), &chunked);
  u->part = chunked ? Part::kChunkSize : Part::kBody;
  if (chunked) {
    u->left = 0;
  }
  return end + 4;
}

// True when the response is complete.
bool Scan(Upstream* u, std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size() || (u->part == Part::kBody && u->left == 0)) {
    switch (u->part) {
      case Part::kHead:
        i = ScanHead(u, bytes);
        break;
      case Part::kBody: {
        const size_t k = std::min(bytes.size() - i, u->left);
        u->left -= k;
        i += k;
        if (u->left == 0) {
          return true;
        }
        break;
      }
      case Part::kChunkSize: {
        const char ch = bytes[i++];
        if (ch == '\n') {
          u->part = u->left == 0 ? Part::kTrailer : Part::kChunkData;
          u->left += u->left == 0 ? 0 : 2;
          u->line_bytes = 0;
        } else if (ch != '\r') {
          u->left = u->left * 16 + static_cast<size_t>(ch <= '9' ? ch - '0' : (ch | 32) - 'a' + 10);
        }
        break;
      }
      case Part::kChunkData: {
        const size_t k = std::min(bytes.size() - i, u->left);
        u->left -= k;
        i += k;
        if (u->left == 0) {
          u->part = Part::kChunkSize;
        }
        break;
      }
      case Part::kTrailer: {
        const char ch = bytes[i++];
        if (ch == '\n') {
          if (u->line_bytes == 0) {
            return true;
          }
          u->line_bytes = 0;
        } else if (ch != '\r') {
          ++u->line_bytes;
        }
        break;
      }
    }
  }
  return false;
}

void OnUpstreamRead(uv_stream_t* s, ssize_t n, const uv_buf_t* b) {
  auto* u = static_cast<Upstream*>(s->data);
  if (n == 0) {
    return;
  }
  Client* c = u->client;
  if (n < 0 || c == nullptr) {
    if (c != nullptr) {
      c->upstream = nullptr;
      CloseClient(c);
    }
    CloseUpstream(u);
    return;
  }
  const std::string_view bytes(b->base, static_cast<size_t>(n));
  const bool complete = Scan(u, bytes);
  Forward(Stream(c), bytes, s, OnUpstreamRead);
  if (complete) {
    c->upstream = nullptr;
    u->client = nullptr;
    g_pool.push_back(u);
  }
}

void OnConnection(uv_stream_t* server, int) {
  auto* c = new Client;
  uv_tcp_init(server->loop, &c->tcp);
  c->tcp.data = c;
  if (uv_accept(server, Stream(c)) != 0) {
    CloseClient(c);
    return;
  }
  uv_tcp_nodelay(&c->tcp, 1);
  uv_read_start(Stream(c), Allocate, OnClientRead);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: floor_proxy PORT UPSTREAM_PORT [SECONDS_TO_LIVE]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  alarm(argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 3000);
  uv_ip4_addr("127.0.0.1", std::atoi(argv[2]), &g_upstream_address);
  uv_tcp_t server;
  uv_tcp_init(uv_default_loop(), &server);
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", std::atoi(argv[1]), &address);
  uv_tcp_bind(&server, reinterpret_cast<const sockaddr*>(&address), 0);
  const int rc = uv_listen(reinterpret_cast<uv_stream_t*>(&server), 4096, OnConnection);
  if (rc != 0) {
    std::fprintf(stderr, "floor_proxy: 127.0.0.1:%s: %s\n", argv[1], uv_strerror(rc));
    return 1;
  }
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
