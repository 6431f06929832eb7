// Failover: drives the election core (controlplane/election) on the control loop: frames of the Control stream, the
// vote's disk, the word in the role page, what the data plane says. Source: docs/protocols/failover.md. Thread: the
// control loop's. Units: the core's Instant is CLOCK_BOOTTIME, read after each input arrived; the loop's own clock only
// wakes it. Bounds: those of the core; one page written. Errors: of what an operator asks. Always: gate, close,
// persist, messages, in this order; nothing is sent while another step is being carried out.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/election/election.h"
#include "controlplane/node/failover_view.h"
#include "shared/base/status.h"
#include "shared/metrics/metrics.h"
#include "shared/uv/loop.h"
#include "shared/uv/mailbox.h"
#include "shared/uv/timer.h"

namespace aurora::rolepage {
class ControlPage;
}  // namespace aurora::rolepage

namespace aurora::store {
class ElectionThread;
}  // namespace aurora::store

namespace aurora::v1 {
class ControlFrame;
class ElectionFrame;
}  // namespace aurora::v1

namespace aurora::node {

struct FailoverDeps {
  uv::Loop* loop = nullptr;
  uv::Mailbox* mailbox = nullptr;
  store::ElectionThread* election = nullptr;
  rolepage::ControlPage* page = nullptr;
  election::Settings settings;
  std::string peer_addr;  // where our data plane takes requests of other nodes
  bool tells = true;      // false: leadership means nothing in this mode, so nobody hears of it
  // To a node with a Control stream; else it is lost, which the core expects.
  std::function<void(const election::Uid&, const v1::ControlFrame&)> send;
  std::function<std::string(const election::Uid&)> node_id_of;    // the uid itself, where it is not known
  std::function<std::string(const election::Uid&)> peer_addr_of;  // "" where it is not known
  std::function<void(std::string_view severity, std::string_view type, const std::string& text)> tell;
  // Who leads, whether it is active, or what we are has changed.
  std::function<void()> changed;
  uint64_t seed = 0;
};

class Failover {
 public:
  explicit Failover(FailoverDeps deps);
  ~Failover();
  Failover(const Failover&) = delete;
  Failover& operator=(const Failover&) = delete;

  // This node is of a cluster. Once. `durable`: as election.db has it, or the founders' first config.
  void Begin(election::Durable durable);
  bool begun() const { return core_ != nullptr; }
  // This node's vote counts (or it has none): it does not hold off any more. Whoever restarts nodes one after the other
  // must wait for this, or the cluster is without a majority.
  bool counts() const { return core_ != nullptr && core_->role() != election::Role::kHoldoff; }

  void SetMembers(const std::vector<election::Member>& members);
  // The peer's Hello: what its disk said when it was sent, in this start of its process. Only a new start can show a
  // disk that went back: of one start, a Hello that was long on its way is older than frames of another stream.
  void OnPeerTerm(const election::Uid& uid, uint64_t epoch, election::Term term);
  void OnFrame(const election::Uid& from, const v1::ElectionFrame& frame);
  // Makes others go first: Lifeguard's score.
  void SetPenalty(uint32_t penalty);
  // Once a second.
  void OnSecond();

  absl::Status Transfer(std::string_view node_id);
  absl::Status AddVoters(std::string_view a, std::string_view b);
  absl::Status RemoveVoters(std::string_view a, std::string_view b);
  absl::Status UnsafeRecover();
  // Leads no more, and does not until Undrain or a new start.
  absl::Status Drain();
  void Undrain();
  bool drained() const { return drained_; }
  // Before the process ends: hands over, to this node or the best one, if it leads and someone can; `done` runs when
  // that is over, or after a moment.
  void StepDown(std::string_view node_id, std::function<void()> done);

  FailoverView View() const;
  // For our Hello: on disk. Nothing before Begin.
  std::optional<election::Term> durable_term() const;
  const election::Settings& settings() const { return deps_.settings; }
  const FailoverCounters& counters() const { return counters_; }
  // From the first vote asked for to an open gate.
  const std::shared_ptr<metrics::Histogram>& election_seconds() const { return election_seconds_; }

 private:
  struct Stored {
    std::atomic<uint64_t> version{0};
    std::atomic<bool> ok{true};
    bool gone = false;  // the control loop's: nobody to tell
  };

  static Instant Now();
  // Calls the core, if there is one, and carries out what it wants.
  template <class F>
  void Step(F&& call) {
    if (core_ != nullptr) {
      election::Outbox out;
      std::forward<F>(call)(*core_, Now(), out);
      Carry(out);
      NoteLeader();
      Arm();
    }
  }
  void Carry(election::Outbox& out);
  void Flush();
  void Persist(const election::Persist& persist);
  void OnStored(uint64_t version, bool ok);
  void OnEvent(const election::Event& event);
  void OnPoll();
  void LookAtClose();
  election::DataPlane LookAtDataPlane();
  void NoteLeader();
  // Who leads, the term, whether it is active: the core's word, or a Renew that came while it holds off.
  struct Heard {
    election::Uid leader;
    election::Term term = 0;
    bool active = false;
  };
  Heard WhoLeads(Instant now) const;
  void TellPage(Instant now, const Heard& heard);
  void Arm();
  std::string NodeOf(const election::Uid& uid) const;
  std::string Voters() const;

  const FailoverDeps deps_;
  std::unique_ptr<election::Election> core_;
  uv::Timer tick_;
  uv::Timer poll_;
  uv::Timer closing_;
  std::deque<election::Envelope> messages_;
  bool flushing_ = false;
  std::vector<election::Member> members_;  // before Begin
  std::shared_ptr<Stored> stored_ = std::make_shared<Stored>();

  std::map<election::Uid, std::deque<uint64_t>> starts_;  // of peers, the latest last

  // The data plane, as last seen.
  election::DataPlane data_plane_ = election::DataPlane::kGone;
  uint64_t tick_seen_ = 0;
  int still_ = 0;  // looks in a row at a tick that is too old
  bool drained_ = false;

  // The close under way.
  uint64_t core_close_ = 0;
  uint64_t page_close_ = 0;

  // As last written to the page and told.
  election::Uid leader_;
  election::Uid last_leader_;  // the last one there was
  bool leader_active_ = false;
  election::Term leader_term_ = 0;
  std::string page_address_;
  election::Role role_ = election::Role::kHoldoff;
  bool active_ = false;
  Instant leaderless_since_;
  Instant asked_at_;           // the first pre-vote since somebody led
  // The last Renew that came: while the core holds off it hears nobody, and our data plane has to know where to go.
  election::Uid renewed_by_;
  election::Term renewed_term_ = 0;
  Instant renewed_at_;
  bool renewed_active_ = false;
  election::Term released_term_ = 0;  // the newest that said it serves no more
  election::Uid page_leader_;
  election::Term page_term_ = 0;
  std::string complaint_;      // the last of those that may come with every frame

  std::function<void()> stepped_down_;
  Instant step_down_end_;
  FailoverCounters counters_;
  std::shared_ptr<metrics::Histogram> election_seconds_ = std::make_shared<metrics::Histogram>(metrics::kLagSeconds);
};

}  // namespace aurora::node
