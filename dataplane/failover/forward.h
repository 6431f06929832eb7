// Forward: one request that this node may not serve: held until somebody may, sent on to the active node, its answer
// relayed; with the verbs of an Exchange.
// Source: failover.md section 6. Thread: pure; the loop's. Time: Context::now. Borrowing: as an Exchange's.
// Bounds: a request waits at most Rules::hold in all; before the connection stands at most kBufferMax of its body is
// read; at most kReplayMax is kept to send it again. Errors: in the caller's dialect: 503 no_active_node with
// x-aurora-not-executed when it surely was not executed, 502 active_node_lost when nobody can know.
// Invariants: it is sent again only if no byte reached the active node or that answered x-aurora-not-executed: 1; the
// key is judged anew before every try, and who could not be judged here does not wait here; nothing is metered here,
// the node that serves does that.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dataplane/exchange/buffer_pool.h"
#include "dataplane/exchange/context.h"
#include "dataplane/exchange/exchange.h"
#include "dataplane/exchange/outbox.h"
#include "dataplane/failover/decide.h"
#include "dataplane/failover/hold_budget.h"
#include "dataplane/failover/judge.h"
#include "dataplane/failover/saved_head.h"
#include "dataplane/llm/errors.h"
#include "dataplane/model/usage_record.h"

namespace aurora::failover {

inline constexpr size_t kBufferMax = size_t{256} << 10;
inline constexpr size_t kReplayMax = size_t{1} << 20;
inline constexpr size_t kSwallowMax = size_t{1} << 20;  // of a body nobody wants, to keep the connection
inline constexpr std::string_view kNotExecutedHeader = "x-aurora-not-executed";

// Who serves, as the loop knows it: refreshed by the driver, which then calls RoleChanged.
struct Serving {
  const model::Provider* peer = nullptr;  // the leader's peer listener; null: nobody elsewhere leads
  std::string leader_id;                  // "" = nobody
  uint64_t version = 0;                   // another number, another leader
  bool here = false;                      // our own gate is open
};

struct Rules {
  bool forwards = true;
  Duration hold = Duration::Seconds(3);
  Duration silence_max = Duration::Seconds(1200);  // longer than any provider's total timeout
};

enum class HoldEnd : uint8_t { kServed, kForwarded, kRefused, kKeyRefused, kCancelled, kOverLimit };
enum class Ending : uint8_t { kRelayed, kNotExecuted, kLost, kRefused, kKeyRefused, kCancelled };

class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  virtual void HoldEnded(HoldEnd how, Duration held) = 0;
  virtual void ConnectFailed(exchange::UpstreamFailure failure) = 0;
  virtual void Ended(Ending how) = 0;
};

class Forward {
 public:
  struct Deps {
    exchange::Context& context;
    const Serving& serving;
    const Rules& rules;
    HoldBudget& budget;
    ForwardObserver& observer;
  };
  Forward(const Deps& deps, SavedHead head, const Caller& caller, std::string_view request_id);
  ~Forward();
  Forward(const Forward&) = delete;
  Forward& operator=(const Forward&) = delete;

  // `greeted`: the client was told to send its body already.
  void Begin(Arrival arrival, bool greeted, exchange::Outbox& out);
  void RequestBody(std::string_view bytes, exchange::Outbox& out);
  void RequestEnd(exchange::Outbox& out);
  void RequestError(int status, std::string_view code, std::string_view message, exchange::Outbox& out);
  void ClientClosed(exchange::Outbox& out);
  void UpstreamReady(bool reused, exchange::Outbox& out);
  void UpstreamFailed(exchange::UpstreamFailure failure, std::string_view detail, exchange::Outbox& out);
  // The write of what the last verb put out failed. Right after UpstreamReady it means that nothing was taken.
  void WriteFailed(exchange::Outbox& out);
  void ResponseHead(const http::Head& head, exchange::Outbox& out);
  void ResponseBody(std::string_view bytes, exchange::Outbox& out);
  void ResponseEnd(bool reusable, exchange::Outbox& out);
  void ClientBlocked(exchange::Outbox& out);
  void ClientDrained(exchange::Outbox& out);
  void UpstreamBlocked(exchange::Outbox& out) { out.pause_client = true; }
  void UpstreamDrained(exchange::Outbox& out) { out.resume_client = true; }
  void Tick(exchange::Outbox& out);
  Instant NextDeadline() const { return deadline_; }
  void CloseAfterResponse() { close_ = true; }
  void PolicyChanged(exchange::Outbox& out);
  void RoleChanged(exchange::Outbox& out);
  void ShutDown(exchange::Outbox& out);

  const model::UsageRecord& record() const { return record_; }
  // After Outbox::hand_over: our own gate is open, the request is to begin anew here.
  SavedHead& head() { return head_; }
  std::string_view body() const { return kept_.view(); }

 private:
  enum class State : uint8_t {
    kNew, kDialling, kSending, kDiscarding, kHeld, kRelaying, kSwallowing, kHandedOver, kEnded,
  };

  void Dial(exchange::Outbox& out);
  void Later(Duration pause, exchange::Outbox& out);
  void Hold(Instant retry_at, exchange::Outbox& out);
  void TryNow(exchange::Outbox& out);
  bool KeyWorks(exchange::Outbox& out);
  void LeaveHold(HoldEnd how);
  void Keep(std::string_view bytes, exchange::Outbox& out);
  void Frame(std::string_view bytes, exchange::Outbox& out);
  bool MayTryAgain() const;
  void Commit(const http::Head& head, exchange::Outbox& out);
  void Emit(std::string_view bytes, exchange::Outbox& out);
  void Refuse(std::string_view message, HoldEnd how, exchange::Outbox& out);
  void Fail(const llm::ApiError& error, std::string_view extra_lines, Ending how, exchange::Outbox& out);
  void Break(const llm::ApiError& error, exchange::Outbox& out);
  void DropUpstream(exchange::Outbox& out);
  void Finish(Ending how, exchange::Outbox& out);

  const Deps deps_;
  SavedHead head_;
  const model::SecretHash sha256_;
  const bool authenticated_;
  const model::Dialect dialect_;
  model::UsageRecord record_;
  std::string head_text_;
  exchange::BodyBuffer kept_;  // body bytes, as long as they may have to be sent (again)
  Instant began_;
  Instant deadline_ = Instant::Never();
  Instant hold_until_ = Instant::Never();
  Instant held_since_;
  size_t held_bytes_ = 0;
  size_t swallowed_ = 0;
  uint64_t dialled_version_ = 0;
  State state_ = State::kNew;
  Ending ending_ = Ending::kRefused;  // while swallowing
  uint8_t tries_ = 0;
  bool held_ = false;          // counted by the budget
  bool upstream_ = false;      // a connection is dialled or taken for us
  bool first_write_ = false;   // nothing but UpstreamReady has written
  bool replayable_ = true;     // kept_ is the whole body so far
  bool request_over_ = false;
  bool close_ = false;
  bool chunked_ = false;       // the answer, to the client
  bool sse_ = false;
  char last_[2] = {'\n', '\n'};  // bytes of a relayed stream
  bool client_blocked_ = false;
};

}  // namespace aurora::failover
