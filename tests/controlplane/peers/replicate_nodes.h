// Nodes of one process for the tests of the Replicate stream: both kinds of links on one server, joined as the control
// plane joins them; and a wire between two of them that counts and can be cut.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/control_links.h"
#include "controlplane/peers/control_server.h"
#include "controlplane/peers/replicate_links.h"
#include "shared/uv/loop.h"
#include "shared/uv/tcp.h"
#include "tests/controlplane/peers/control_nodes.h"
#include "tests/support/test.h"

namespace aurora::peers::testing {

inline v1::ReplicateFrame Small(int64_t number) {
  v1::ReplicateFrame frame;
  frame.mutable_ack()->mutable_bulk()->set_enforced(number);
  return frame;
}

inline v1::ReplicateFrame Bulk(size_t bytes) {
  v1::ReplicateFrame frame;
  frame.mutable_rows()->add_rows()->set_id(std::string(bytes, 'r'));
  return frame;
}

class RNode {
 public:
  struct Options {
    std::string cluster = "c1";
    uint64_t epoch = 1;
    uint16_t port = 0;
    Duration slow_limit = Duration::Seconds(30);
    Duration hello_timeout = Duration::Seconds(5);
    std::shared_ptr<const ControlTls> tls = Tls();
    bool wired = true;  // Control's up and down drive Replicate
  };

  RNode(uv::Loop& loop, const std::string& node_id) : RNode(loop, node_id, Options()) {}
  RNode(uv::Loop& loop, const std::string& node_id, const Options& given)
      : id(node_id), uid(Uid(node_id)), options(given), cluster(given.cluster) {
    LinksOptions control;
    control.mesh.node_id = id;
    control.mesh.uid = uid;
    control.seed = std::hash<std::string>()(id);
    control.tls = options.tls;
    links = std::make_unique<Links>(loop, control, ControlCallbacks());
    ReplicateOptions own;
    own.node_id = id;
    own.node_uid = uid;
    own.seed = control.seed + 1;
    own.tls = options.tls;
    own.slow_limit = options.slow_limit;
    own.hello_timeout = options.hello_timeout;
    replicate = std::make_unique<ReplicateLinks>(loop, own, Callbacks());
    Serve(options.port);
  }
  ~RNode() {
    if (polite) {
      replicate->Shutdown(ByeReason::kShutdown, "shutting down");
      links->Shutdown(ByeReason::kShutdown, "shutting down");
    }
    server.reset();
    replicate.reset();
    links.reset();
  }
  RNode(const RNode&) = delete;
  RNode& operator=(const RNode&) = delete;

  void Serve(uint16_t port) {
    auto opened = ControlServer::Open({{"127.0.0.1", port}, options.tls}, *links, &replicate->acceptor());
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    server = *std::move(opened);
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(server->port()); }
  void LinkTo(const std::vector<const RNode*>& others) {
    std::vector<Target> targets;
    for (const RNode* other : others) {
      targets.push_back({other->id, other->uid, other->address()});
    }
    links->SetTargets(targets);
  }
  // As Control would: without it.
  void Know(const RNode& other, bool dial, uint64_t epoch = 1) {
    replicate->PeerUp({other.uid, other.id, via.empty() ? other.address() : via, epoch, dial});
  }
  bool Joined(const RNode& other) const { return replicate->up(other.uid); }
  ReplicateState StateOf(const RNode& other) const {
    for (ReplicateState& state : replicate->Peers()) {
      if (state.uid == other.uid) {
        return state;
      }
    }
    return {};
  }

  const std::string id;
  const std::string uid;
  const Options options;
  std::string cluster;  // may change
  std::string via;      // what Replicate dials instead of the peer's own address
  bool polite = true;
  std::unique_ptr<Links> links;
  std::unique_ptr<ReplicateLinks> replicate;
  std::unique_ptr<ControlServer> server;
  std::function<void(std::string_view, v1::ReplicateFrame&)> on_frame;
  std::function<void(std::string_view)> on_writable;
  std::vector<v1::ReplicateHello> hellos;
  int ups = 0;
  std::vector<Down> downs;
  uint64_t frames = 0;

 private:
  LinksCallbacks ControlCallbacks() {
    LinksCallbacks callbacks;
    callbacks.hello = [this](v1::Hello& hello) { hello = HelloOf(id, options.epoch); };
    callbacks.admit = [](const v1::Hello&, bool) { return Admission(); };
    callbacks.up = [this](const PeerState& peer) {
      if (options.wired) {
        const std::string& address = via.empty() ? peer.address : via;
        replicate->PeerUp({peer.uid, peer.node_id, address, peer.hello->epoch(), peer.outbound});
      }
    };
    callbacks.frame = [](const PeerState&, const v1::ControlFrame&) {};
    callbacks.down = [this](const PeerState& peer, ByeReason, std::string_view) {
      if (options.wired) {
        replicate->PeerDown(peer.uid);
      }
    };
    callbacks.refused = [](const Refusal&) {};
    return callbacks;
  }

  ReplicateCallbacks Callbacks() {
    ReplicateCallbacks callbacks;
    callbacks.hello = [this](v1::ReplicateHello& hello) {
      hello.set_cluster_id(cluster);
      hello.add_history()->set_epoch(options.epoch);
      hello.set_caught_up(true);
    };
    // The laws of every test: up and down alternate for each peer, frames come between them.
    callbacks.up = [this](std::string_view peer, const v1::ReplicateHello& hello) {
      ++ups;
      CHECK(up_now_.insert(std::string(peer)).second);
      hellos.push_back(hello);
    };
    callbacks.frame = [this](std::string_view peer, v1::ReplicateFrame& frame) {
      ++frames;
      CHECK_FAST(up_now_.contains(std::string(peer)));
      if (on_frame) {
        on_frame(peer, frame);
      }
    };
    callbacks.down = [this](std::string_view peer, ByeReason reason, std::string_view message) {
      CHECK(up_now_.erase(std::string(peer)) == 1);
      downs.push_back({std::string(peer), reason, std::string(message)});
    };
    callbacks.writable = [this](std::string_view peer) {
      CHECK_FAST(up_now_.contains(std::string(peer)));
      if (on_writable) {
        on_writable(peer);
      }
    };
    return callbacks;
  }
  // A CHECK costs more than a frame.
  static void CHECK_FAST(bool holds) {
    if (!holds) {
      FAIL("called back for a peer that is not up");
    }
  }

  std::set<std::string> up_now_;
};

inline bool JoinedBothWays(const RNode& a, const RNode& b) {
  return a.Joined(b) && b.Joined(a);
}

// Joins the two over Control and waits for Replicate.
inline void Join(uv::Loop& loop, RNode& a, RNode& b) {
  a.LinkTo({&b});
  REQUIRE(RunUntil(loop, [&] { return JoinedBothWays(a, b); }));
}

// A wire that can be cut: Kill closes what stands, Refuse also what comes.
class Wiretap final : public uv::ListenerObserver {
 public:
  Wiretap(uv::Loop& loop, uint16_t target) : loop_(loop), target_(target) {
    auto opened = uv::TcpListener::Open(loop, {}, this);
    REQUIRE(opened.ok());
    listener_ = *std::move(opened);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(listener_->port()); }
  void Kill() {
    for (auto& pair : pairs_) {
      pair->near->Abort();
      pair->far->Abort();
    }
    pairs_.clear();
  }
  size_t connections() const { return pairs_.size(); }

  void OnAccept(std::unique_ptr<uv::TcpStream> stream) override {
    ++accepted;
    auto pair = std::make_unique<Pair>();
    pair->near = std::move(stream);
    pair->far = std::make_unique<uv::TcpStream>(loop_);
    const auto address = uv::ParseIp("127.0.0.1", target_);
    REQUIRE(address.ok());
    REQUIRE(pair->far->Connect(*address) == 0);
    pair->up = std::make_unique<Side>(*this, *pair, *pair->far);
    pair->down = std::make_unique<Side>(*this, *pair, *pair->near);
    pair->near->SetObserver(pair->up.get());
    pair->far->SetObserver(pair->down.get());
    pairs_.push_back(std::move(pair));
  }

  uint64_t bytes = 0;
  uint64_t packets = 0;  // reads: about so many
  int accepted = 0;

 private:
  struct Side;
  struct Pair {
    std::unique_ptr<uv::TcpStream> near;
    std::unique_ptr<uv::TcpStream> far;
    std::unique_ptr<Side> up;
    std::unique_ptr<Side> down;
  };
  struct Side final : uv::StreamObserver {
    Side(Wiretap& owner, Pair& both, uv::TcpStream& other) : tap(owner), pair(both), to(other) {}
    void OnConnected(int error) override {
      if (error != 0) {
        tap.Drop(pair);
        return;
      }
      pair.near->StartRead();
      pair.far->StartRead();
    }
    void OnData(std::span<char> data) override {
      tap.bytes += data.size();
      ++tap.packets;
      to.Write(std::string(data.data(), data.size()));
    }
    void OnEof() override { tap.Drop(pair); }
    void OnStreamError(int /*error*/) override { tap.Drop(pair); }
    Wiretap& tap;
    Pair& pair;
    uv::TcpStream& to;
  };

  void Drop(Pair& pair) {
    const auto found = std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& one) { return one.get() == &pair; });
    if (found == pairs_.end()) {
      return;
    }
    // The Side that calls lives in the pair: it goes with the tap.
    graves_.push_back(std::move(*found));
    pairs_.erase(found);
    graves_.back()->near.reset();
    graves_.back()->far.reset();
  }

  uv::Loop& loop_;
  const uint16_t target_;
  std::unique_ptr<uv::TcpListener> listener_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::vector<std::unique_ptr<Pair>> graves_;
};

// The p-th of a hundred.
inline Duration Percentile(std::vector<Duration> values, size_t p) {
  REQUIRE(!values.empty());
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, values.size() * p / 100)];
}

}  // namespace aurora::peers::testing
