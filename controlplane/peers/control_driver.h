// LinkDriver: carries out over gRPC what a Mesh decides, for Control and for Replicate: dials, streams that come in,
// Hello, Bye, deadlines. Source: ours (docs/protocols/sync.md). Internal to this module; what frames mean is the
// derived class's. Thread: the control loop's. Bounds: the Mesh's, and a mailbox task or two a stream. Errors: told
// to Refused and DialFailed. Always: an Entry lives until its stream's end was seen; actions are done one after the
// other, also those that a callback causes.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/peers/control_client.h"
#include "controlplane/peers/control_link.h"
#include "controlplane/peers/control_mesh.h"
#include "controlplane/peers/control_tls.h"
#include "shared/uv/loop.h"
#include "shared/uv/mailbox.h"
#include "shared/uv/timer.h"

namespace aurora::peers {

template <class F>
class LinkDriver : public BasicAcceptor<F> {
 public:
  using Frame = typename F::Frame;
  using Hello = typename F::Hello;

  LinkDriver(uv::Loop& loop, MeshConfig config, uint64_t seed, std::shared_ptr<const ControlTls> tls);
  ~LinkDriver() override;
  LinkDriver(const LinkDriver&) = delete;
  LinkDriver& operator=(const LinkDriver&) = delete;

  void OnAccepted(std::shared_ptr<BasicLink<F>> link) override;
  uv::Mailbox& mailbox() override { return mailbox_; }

 protected:
  struct Entry;

  // What the Hello of a stream says about its other end, and whether it may come up.
  struct Judgement {
    MeshPeer peer;
    Verdict verdict;
  };

  // Sends our Hello: at once on a stream that we dial, on another one when it comes up.
  virtual void Greet(Entry& entry) = 0;
  virtual Judgement Judge(Entry& entry, const Hello& hello) = 0;
  // Of a stream that is not being closed; it may not be up yet.
  virtual void Received(Entry& entry, Frame& frame) = 0;
  virtual void Writable(Entry& /*entry*/) {}
  virtual void IsUp(Entry& entry, const MeshAction& action) = 0;
  virtual void IsDown(const MeshAction& action) = 0;
  // The last that is heard of a stream.
  virtual void Ended(Entry& /*entry*/) {}
  virtual void Refused(const Entry& entry, bool by_peer, ByeReason reason, std::string_view message) = 0;
  virtual void DialFailed(const Entry& entry, ByeReason reason, std::string_view message) = 0;

  void Apply(MeshActions actions);
  void Arm();
  // kGone when it is being closed.
  Sent SendOn(Entry& entry, Frame&& frame);
  void CloseEntry(Entry& entry, ByeReason reason, std::string_view message);
  // The stream that is up, or null.
  Entry* UpEntry(std::string_view uid) const;
  static Instant Now() { return uv::Loop::Now(); }

  uv::Mailbox mailbox_;
  uv::Timer timer_;
  Mesh mesh_;
  std::map<LinkId, std::unique_ptr<Entry>> entries_;

 private:
  Entry& Add(LinkId id);
  void OnHello(Entry& entry, const Hello& hello);
  void OnFrame(Entry& entry, Frame& frame);
  void OnClosed(Entry& entry, const Closure& closure);
  void Do(const MeshAction& action);
  void DoDial(const MeshAction& action);
  void DoClose(const MeshAction& action);
  void DoUp(const MeshAction& action);
  void OnTimer();

  std::deque<MeshAction> todo_;
  bool applying_ = false;
  std::unique_ptr<StreamClient<F>> client_;  // last: its end waits for the calls
};

template <class F>
struct LinkDriver<F>::Entry final : BasicListener<F> {
  Entry(LinkDriver& owner, LinkId link_id) : driver(owner), id(link_id) {}
  void OnHello(const Hello& frame) override { driver.OnHello(*this, frame); }
  void OnFrame(Frame& frame) override { driver.OnFrame(*this, frame); }
  void OnWritable() override {
    if (!closing) {
      driver.Writable(*this);
    }
  }
  void OnClosed(const Closure& closure) override { driver.OnClosed(*this, closure); }

  LinkDriver& driver;
  const LinkId id;
  std::shared_ptr<BasicLink<F>> link;
  std::string target;  // of a dial: the node id
  std::string target_uid;
  bool outbound = false;
  bool closing = false;
  Instant abort_at = Instant::Never();
  std::shared_ptr<const Hello> hello;  // the other end's
  std::shared_ptr<const Hello> ours;   // for whom keeps it
  std::string uid;                     // once it is up
};

extern template class LinkDriver<ControlFrames>;
extern template class LinkDriver<ReplicateFrames>;

}  // namespace aurora::peers
