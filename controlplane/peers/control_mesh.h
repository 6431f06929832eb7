// Mesh: which Control streams to open and close, so that exactly one links each pair of nodes. Source: ours
// (docs/protocols/sync.md).
//
// A pure core: the driver (control_links.h) brings what happened and the time, and carries out the actions. After every
// call ask NextDeadline() again. `now` is monotonic. Thread: one owner. Errors: none; ids it does not know are ignored.
// Bounds: peers_max linked peers, inbound_max streams from outside. Always: at most one stream that is up per node uid
// and per node id; a stream that an action closed is forgotten at once.
//
// Who wins: of two streams dialled at once in both directions the one dialled by the lower node id stays, on both
// sides. A newer stream from a peer's other life (epoch), in the same direction, or long after the first came up wins
// always: then the first one is dead and its end has not noticed yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/rng.h"
#include "shared/base/time.h"

namespace aurora::peers {

// Why a stream ends; Bye.Reason on the wire, same numbers.
enum class ByeReason : uint8_t {
  kNone = 0,  // without a word: lost, could not connect
  kShutdown = 1,
  kForeignCluster = 2,
  kProtocolVersion = 3,
  kDuplicateNodeId = 4,
  kLabel = 5,
  kFull = 6,
  kSupersededStream = 7,
  kLeaving = 8,
  kBadFrame = 9,
  kWrongNode = 10,
  kIdle = 11,
  kSlow = 12,
  kNotLinked = 13,
};
std::string_view Name(ByeReason reason);
// Dialling again soon would only be refused again.
bool IsRefusal(ByeReason reason);

using LinkId = uint64_t;  // 0: none

struct Target {
  std::string node_id;
  std::string uid;  // may be empty: not known yet
  std::string address;
  bool operator==(const Target&) const = default;
};

struct MeshConfig {
  std::string node_id;
  std::string uid;
  size_t peers_max = 15;  // 16 nodes
  size_t inbound_max = 64;
  Duration hello_timeout = Duration::Seconds(5);  // connecting included
  Duration backoff_min = Duration::Millis(100);
  Duration backoff_max = Duration::Seconds(5);
  Duration refusal_min = Duration::Seconds(5);
  Duration refusal_max = Duration::Seconds(30);
  // Two dials that cross meet within this; a stream that came later did not race.
  Duration race = Duration::Seconds(10);
  // A link that held this long starts the backoff anew.
  Duration steady = Duration::Seconds(5);
};

// What a Hello says about the stream's other end.
struct MeshPeer {
  std::string uid;
  std::string node_id;
  uint64_t epoch = 0;
  Duration idle = Duration::Max();  // silence after which the stream is closed
};

struct Verdict {
  ByeReason reason = ByeReason::kNone;  // kNone: welcome
  std::string message;
};

struct MeshAction {
  enum class Kind {
    kDial,   // open a stream to `address`; its id is `link`
    kClose,  // part with `reason` and `message`
    kUp,     // this stream is now the one to `uid`; it may replace another one (no kDown then)
    kDown,   // no stream to `uid` any more
  };
  Kind kind = Kind::kDial;
  LinkId link = 0;
  std::string node_id;
  std::string uid;
  std::string address;
  ByeReason reason = ByeReason::kNone;
  std::string message;
};
using MeshActions = std::vector<MeshAction>;

class Mesh {
 public:
  Mesh(MeshConfig config, uint64_t seed);

  // Whom to dial; peers_max of them count, those that were targets before or are linked first. Streams that are up
  // stay, whoever is missing here; dials under way to the missing are given up.
  void SetTargets(Instant now, const std::vector<Target>& targets, MeshActions& out);
  // Gossip says that the node lives: dial now. A refusal still waits its time.
  void DialNow(Instant now, std::string_view node_id, MeshActions& out);
  // A stream came in. Closed with kFull in `out` when there are too many.
  LinkId Accept(Instant now, MeshActions& out);
  // The first frame of a stream. `verdict` is the caller's; a link that is neither up nor closed afterwards is a bug.
  void OnHello(Instant now, LinkId link, const MeshPeer& peer, const Verdict& verdict, MeshActions& out);
  // A frame came: not idle.
  void Touch(Instant now, LinkId link);
  // The stream is over; `reason` is the peer's Bye, `message` what it or the transport says.
  void OnClosed(Instant now, LinkId link, ByeReason reason, std::string_view message, MeshActions& out);
  // Our own decision about one stream, or about all of them (then nothing is dialled or accepted any more).
  void Close(Instant now, LinkId link, ByeReason reason, std::string_view message, MeshActions& out);
  void Shutdown(Instant now, ByeReason reason, std::string_view message, MeshActions& out);

  void Tick(Instant now, MeshActions& out);
  Instant NextDeadline() const;

  // The stream that is up, or 0.
  LinkId Find(std::string_view uid) const;
  size_t up_count() const;
  size_t link_count() const { return links_.size(); }
  // When the target is dialled next; Never when it is linked, being dialled or unknown.
  Instant NextDial(std::string_view node_id) const;

 private:
  struct Link {
    bool outbound = false;
    bool up = false;
    std::string target;  // whom an outbound one dials
    // The peer whose stream gave way to this dial before this one was up: down only if it comes to nothing.
    std::string owed_down;
    MeshPeer peer;
    Instant since;     // dialled or accepted; then: up
    Instant deadline;  // for the Hello; then: idle
  };
  struct Dial {
    Target target;
    LinkId link = 0;
    int failures = 0;
    bool refused = false;
    Instant started = Instant::FromMicros(INT64_MIN / 2);
    Instant next;
  };

  using LinkMap = std::map<LinkId, Link>;

  bool Linked(std::string_view node_id) const;
  bool DialsFirst(const Link& link) const;
  bool Keeps(Instant now, const Link& old, const Link& fresh) const;
  bool Full(const MeshPeer& peer) const;
  void TellDown(LinkId id, const Link& link, ByeReason reason, std::string_view message, MeshActions& out);
  void Raise(Instant now, LinkId id, MeshActions& out);
  void Refuse(Instant now, LinkId id, ByeReason reason, std::string_view message, MeshActions& out);
  void Forget(Instant now, LinkMap::iterator link, ByeReason reason, std::string_view message, MeshActions& out);
  void BackOff(Instant now, Dial& dial, ByeReason reason, bool steady);
  bool MayDial(const Dial& dial) const;
  void DialDue(Instant now, MeshActions& out);
  Duration Between(Duration low, Duration high);

  const MeshConfig config_;
  Rng rng_;
  LinkMap links_;
  std::map<std::string, Dial, std::less<>> dials_;  // by node id
  LinkId last_id_ = 0;
  bool shut_ = false;
};

}  // namespace aurora::peers
