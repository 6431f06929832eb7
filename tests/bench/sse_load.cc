// Closed-loop SSE clients: streams per second, first byte, and how long each chunk was on its way.
// Usage: sse_load PORT CONNECTIONS SECONDS API_KEY MODEL
// Prints one line of key=value pairs. Reads the `"created":<uv_hrtime>` stamps of mock_upstream
// (same machine, same clock).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <signal.h>
#include <uv.h>

namespace {

constexpr std::string_view kStamp = "\"created\":";
constexpr size_t kStampBytes = 30;  // the name and 20 digits
constexpr size_t kSamplesMax = 4'000'000;

struct Totals {
  long streams = 0;
  long chunks = 0;
  long errors = 0;
  long connected = 0;
  std::vector<double> chunk_us;
  std::vector<double> first_byte_us;
};

Totals g_totals;
std::string g_request;
uint64_t g_end_ns = 0;
sockaddr_in g_address;
char g_read_buffer[1 << 18];

struct Connection {
  uv_tcp_t tcp{};
  uv_connect_t connect{};
  uv_write_t write{};
  uint64_t started_ns = 0;
  bool waiting_first = false;
  std::string tail;  // the end of the last read, for a stamp that straddles two
};

void Connect(Connection* c);

void Send(Connection* c) {
  c->started_ns = uv_hrtime();
  c->waiting_first = true;
  c->tail.clear();
  uv_buf_t b = uv_buf_init(g_request.data(), static_cast<unsigned>(g_request.size()));
  uv_write(&c->write, reinterpret_cast<uv_stream_t*>(&c->tcp), &b, 1, [](uv_write_t*, int) {});
}

void Restart(Connection* c) {
  uv_close(reinterpret_cast<uv_handle_t*>(&c->tcp), [](uv_handle_t* h) {
    if (uv_hrtime() < g_end_ns) {
      Connect(static_cast<Connection*>(h->data));
    }
  });
}

void Measure(std::string_view text, uint64_t now) {
  for (size_t at = text.find(kStamp);
       at != std::string_view::npos && at + kStampBytes <= text.size();
       at = text.find(kStamp, at + kStampBytes)) {
    const uint64_t sent = std::strtoull(text.data() + at + kStamp.size(), nullptr, 10);
    if (sent != 0 && now > sent) {
      ++g_totals.chunks;
      if (g_totals.chunk_us.size() < kSamplesMax) {
        g_totals.chunk_us.push_back(static_cast<double>(now - sent) / 1e3);
      }
    }
  }
}

void OnRead(uv_stream_t* s, ssize_t n, const uv_buf_t* b) {
  auto* c = static_cast<Connection*>(s->data);
  if (n < 0) {
    ++g_totals.errors;
    Restart(c);
    return;
  }
  const uint64_t now = uv_hrtime();
  if (n > 0 && c->waiting_first) {
    c->waiting_first = false;
    g_totals.first_byte_us.push_back(static_cast<double>(now - c->started_ns) / 1e3);
    if (std::string_view(b->base, static_cast<size_t>(n)).substr(0, 12) != "HTTP/1.1 200") {
      ++g_totals.errors;
    }
  }
  c->tail.append(b->base, static_cast<size_t>(n));
  Measure(c->tail, now);
  const std::string_view text = c->tail;
  if (text.size() >= 5 && text.substr(text.size() - 5) == "0\r\n\r\n") {
    ++g_totals.streams;
    if (now < g_end_ns) {
      Send(c);
    } else {
      uv_close(reinterpret_cast<uv_handle_t*>(s), nullptr);
    }
    return;
  }
  // Keep less than one whole stamp, and nothing of a stamp that was counted.
  c->tail.erase(0, c->tail.size() - std::min(c->tail.size(), kStampBytes - 1));
}

void OnConnect(uv_connect_t* request, int status) {
  auto* c = static_cast<Connection*>(request->data);
  if (status != 0) {
    ++g_totals.errors;
    uv_close(reinterpret_cast<uv_handle_t*>(&c->tcp), nullptr);
    return;
  }
  ++g_totals.connected;
  uv_tcp_nodelay(&c->tcp, 1);
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&c->tcp),
      [](uv_handle_t*, size_t, uv_buf_t* b) {
        *b = uv_buf_init(g_read_buffer, sizeof g_read_buffer);
      },
      OnRead);
  Send(c);
}

void Connect(Connection* c) {
  uv_tcp_init(uv_default_loop(), &c->tcp);
  c->tcp.data = c->connect.data = c;
  uv_tcp_connect(&c->connect, &c->tcp, reinterpret_cast<const sockaddr*>(&g_address), OnConnect);
}

double Percentile(std::vector<double>& v, double p) {
  if (v.empty()) {
    return 0;
  }
  std::sort(v.begin(), v.end());
  return v[static_cast<size_t>(static_cast<double>(v.size() - 1) * p)];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: sse_load PORT CONNECTIONS SECONDS API_KEY MODEL\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  const std::string body =
      std::string("{\"model\":\"") + argv[5] +
      "\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":[{"
      "\"role\":\"user\",\"content\":\"hello hello hello hello hello hello hello\"}]}";
  g_request = std::string("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n") +
              "Content-Type: application/json\r\nAuthorization: Bearer " + argv[4] +
              "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  uv_ip4_addr("127.0.0.1", std::atoi(argv[1]), &g_address);
  const double seconds = std::atof(argv[3]);
  const uint64_t start_ns = uv_hrtime();
  g_end_ns = start_ns + static_cast<uint64_t>(seconds * 1e9);
  std::vector<Connection> connections(static_cast<size_t>(std::atoi(argv[2])));
  for (Connection& c : connections) {
    Connect(&c);
  }
  uv_timer_t stop;
  uv_timer_init(uv_default_loop(), &stop);
  uv_timer_start(
      &stop, [](uv_timer_t*) { uv_stop(uv_default_loop()); },
      static_cast<uint64_t>(seconds * 1000) + 200, 0);
  uv_unref(reinterpret_cast<uv_handle_t*>(&stop));
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  const double elapsed = static_cast<double>(uv_hrtime() - start_ns) / 1e9;
  std::printf(
      "streams=%ld chunks=%ld errors=%ld connected=%ld streams_per_s=%.1f chunks_per_s=%.0f "
      "first_byte_p50_us=%.0f first_byte_p99_us=%.0f chunk_p50_us=%.0f chunk_p99_us=%.0f\n",
      g_totals.streams, g_totals.chunks, g_totals.errors, g_totals.connected,
      static_cast<double>(g_totals.streams) / elapsed,
      static_cast<double>(g_totals.chunks) / elapsed, Percentile(g_totals.first_byte_us, .5),
      Percentile(g_totals.first_byte_us, .99), Percentile(g_totals.chunk_us, .5),
      Percentile(g_totals.chunk_us, .99));
  return 0;
}
