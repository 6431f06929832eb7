// One client connection of a Server: decodes requests, keeps the answers in order, times the client
// out. Source: ours; RFC 9112 9.3 (persistence, pipelining), 9.6 (lingering close). Internal to
// shared/httpd. Thread: the loop's.   Bounds: Server::Options; at most 1 MiB of unsent answers
// before reading pauses. Errors: a malformed or late request is answered (400, 408, 413, ...) in
// its turn, then the connection closes. Invariant: slots_ holds the requests handed out and not yet
// answered on the wire, oldest first.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "shared/http/decoder.h"
#include "shared/httpd/server.h"
#include "shared/tls/session.h"
#include "shared/uv/timer.h"

namespace aurora::httpd {

// What the connections of one server share.
struct Server::State {
  State(uv::Loop& l, const Options& o, Handler h);
  ~State();

  void Close(uint64_t connection_id);

  uv::Loop& loop;
  const Options options;
  Handler handler;
  const http::Limits limits;
  http::HeadScratch scratch;
  std::shared_ptr<Responder::Link> link;
  std::shared_ptr<tls::ServerContext> certificate;
  std::unique_ptr<uv::TcpListener> listener;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Connection>> connections;
  absl::flat_hash_map<uint64_t, uint64_t> connection_of;  // by exchange id
  uint64_t next_id = 1;                                   // of connections and exchanges alike
  bool draining = false;
  absl::AnyInvocable<void()> drained;
  uv::Timer drained_timer;
};

class Server::Connection : public uv::StreamObserver {
 public:
  Connection(State& state, uint64_t id, std::unique_ptr<uv::TcpStream> stream);

  // False: no TLS session could be made.
  bool Start();
  // The answer to one of this connection's exchanges.
  void Answer(uint64_t exchange_id, Response response);
  // No request in progress, no answer owed.
  bool idle() const;
  // Lets go of the socket; the object itself is retired by State::Close.
  void Release();

 private:
  struct Slot {
    uint64_t exchange_id;
    bool keep_alive;
    bool head_only;  // answers a HEAD
    int minor_version;
    std::optional<Response> response;
  };
  enum class Phase : uint8_t {
    kOpen,
    kNoMoreRequests,  // after Connection: close, an error or the client's FIN: only answers go out
    kLingering,       // all is sent; waiting for the client's FIN
    kClosed,
  };

  void OnData(std::span<char> bytes) override;
  void OnEof() override;
  void OnStreamError(int error) override;
  void OnDrained() override;

  void OnCiphertext(std::string_view bytes);
  void Send(std::string bytes);
  void Process(std::string_view in);
  void BeginRequest();
  void EndRequest();
  bool BodyFits(size_t more);
  void Refuse(int status, std::string_view text);
  void Flush();
  void Resume();
  void Finish();
  void Close();
  bool Blocked() const;
  void ArmTimer();
  void OnTimer();
  std::string Serialise(const Slot& slot, bool close) const;

  State& state_;
  const uint64_t id_;
  std::unique_ptr<uv::TcpStream> stream_;
  std::unique_ptr<tls::Session> tls_;  // null: plain HTTP
  http::Decoder decoder_;
  uv::Timer timer_;
  Phase phase_ = Phase::kOpen;
  bool processing_ = false;
  bool timing_request_ = false;
  bool owes_continue_ = false;
  bool client_done_ = false;  // its FIN has come
  Request request_;
  bool request_keep_alive_ = true;
  int request_minor_ = 1;
  std::deque<Slot> slots_;
  std::string held_input_;  // arrived while blocked
};

}  // namespace aurora::httpd
