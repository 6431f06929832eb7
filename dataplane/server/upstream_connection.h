// UpstreamConnection: one connection to a provider: resolve, connect, proxy, TLS, then response
// after response. Source: ours; CONNECT is RFC 9110 §9.3.6. Thread: the loop's. Memory: about 0.7
// KiB with its stream while idle. Lifetime: owned by the UpstreamPool; `user` is whoever sends a
// request on it now, null while it idles. Borrowing: the Provider given to Start is used until
// OnUpstreamReady/Failed only. Errors: OnUpstreamFailed, after which the connection is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/server/dns_cache.h"
#include "dataplane/server/loop_state.h"
#include "dataplane/server/timer_heap.h"
#include "dataplane/server/wire.h"
#include "shared/http/decoder.h"

namespace aurora::server {

// Who has a request on the connection. OnUpstreamBatch closes a group of Head/Body/End calls: drain
// then.
class UpstreamUser {
 public:
  virtual ~UpstreamUser() = default;
  virtual void OnUpstreamReady() = 0;  // freshly connected
  virtual void OnUpstreamFailed(exchange::UpstreamFailure failure, std::string_view detail) = 0;
  virtual void OnUpstreamHead(const http::Head& head) = 0;
  virtual void OnUpstreamBody(std::string_view bytes) = 0;
  virtual void OnUpstreamEnd(bool reusable) = 0;
  virtual void OnUpstreamBatch() = 0;
  virtual void OnUpstreamDrained() = 0;
};

class UpstreamConnection final : private WireObserver, private TimerEntry, private DnsWaiter {
 public:
  UpstreamConnection(LoopState& loop, UpstreamPool& pool, uint32_t pool_index);
  ~UpstreamConnection() override;

  // Begins to connect for `user`. Answers come later, never inside.
  void Start(const model::Provider& provider, UpstreamUser& user,
             std::shared_ptr<tls::ClientContext> tls);

  // The idle connection serves another request.
  void Lease(UpstreamUser& user);
  // The response is over and the connection is clean.
  void Idle();

  // False: the connection turned out to be broken.
  [[nodiscard]] bool Write(const exchange::Pieces& pieces);
  void ExpectNoBody() {
    expect_no_body_ = true;
    decoder_.ExpectNoBody();
  }
  // Idle, and its end has arrived already although the loop has not come to read it.
  bool ended() const;
  bool blocked() const { return wire_.blocked(); }
  void Pause() { wire_.Pause(); }
  void Resume() { wire_.Resume(); }
  void Shut();  // closes; nothing is reported any more

  uint32_t pool_index() const { return pool_index_; }
  Instant idle_since() const { return idle_since_; }

 private:
  friend class UpstreamPool;
  enum class State : uint8_t {
    kResolving,
    kConnecting,
    kTunnelling,
    kHandshaking,
    kBusy,
    kIdle,
    kClosed
  };

  // What is needed until the connection stands.
  struct Dialling {
    std::string host;  // whose address is looked up: the provider's or the proxy's
    uint16_t port = 0;
    std::string server_name;
    bool public_only = false;
    std::string tunnel_request;  // CONNECT …, or ""
    std::shared_ptr<tls::ClientContext> tls;
    std::vector<sockaddr_storage> addresses;
    size_t next_address = 0;
    Instant give_up;
    std::string last_error;
  };
  // How requests are changed for a proxy of plain HTTP.
  struct AbsoluteForm {
    std::string origin;  // "http://authority"
    std::string authorization_line;
    bool at_start = true;
  };

  void OnResolved(const std::vector<sockaddr_storage>& addresses, std::string_view reason) override;
  void OnWireOpen() override;
  void OnWireData(std::span<char> bytes) override;
  void OnWireEof() override;
  void OnWireFailed(exchange::UpstreamFailure failure, std::string_view detail) override;
  void OnWireDrained() override;
  void OnDeadline() override;

  void TryNextAddress();
  void StartTls();
  void TunnelData(std::string_view in);
  void ResponseData(std::string_view in);
  void Stand();
  void Fail(exchange::UpstreamFailure failure, std::string_view detail);
  bool WriteAbsolute(const exchange::Pieces& pieces);

  LoopState& loop_;
  UpstreamPool& pool_;
  const uint32_t pool_index_;  // which provider's pool
  uint32_t generation_ = 0;    // of the provider's address when dialled
  uint32_t owner_index_ = 0;   // where the pool keeps it
  State state_ = State::kResolving;
  bool expect_no_body_ = false;
  bool interim_ = false;  // a 1xx head is passing
  bool reusable_ = false;
  bool to_peer_ = false;
  Instant idle_since_;
  UpstreamUser* user_ = nullptr;
  std::unique_ptr<Dialling> dialling_;
  std::unique_ptr<AbsoluteForm> absolute_;
  Wire wire_;
  http::Decoder decoder_;
};

}  // namespace aurora::server
