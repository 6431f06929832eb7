// BasicStream: the BasicLink behind both gRPC reactors: queue, Hello-first, Bye-last. Source: ours. Internal to this
// module. Thread: BasicLink's methods on the control loop; On... on gRPC's threads; one lock between them, held for no
// callback. Bounds: as BasicLink; kPerSecond received. Errors: a frame out of bounds ends the stream with BAD_FRAME.
// Always: at most one read and one write are in flight; after Wire::End no operation starts here.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/control_link.h"
#include "shared/uv/mailbox.h"

namespace aurora::peers {

// What a peer may have sent that nobody has read, in gRPC.
inline constexpr int kStreamWindow = 1 << 20;
// A connection nothing comes on is pinged, and given up when that is not answered.
inline constexpr int kPingEveryMs = 10'000;
inline constexpr int kPingWaitsMs = 5'000;

// The gRPC call under a stream. Called under the stream's lock; never calls back from inside.
template <class F>
class BasicWire {
 public:
  virtual ~BasicWire() = default;
  virtual void Read() = 0;
  virtual void Write(typename F::Frame frame) = 0;
  // A client hears of the end only when it has read everything before it; a server that has ended must read no more.
  virtual bool Drains() const = 0;
  // Once; afterwards only Read, from a read's completion, and only when it drains. What is in flight ends by itself.
  virtual void End(bool writing) = 0;
  virtual void Cancel() = 0;
};

template <class F>
class BasicStream final : public BasicLink<F>, public std::enable_shared_from_this<BasicStream<F>> {
 public:
  using Frame = typename F::Frame;
  using Wire = BasicWire<F>;

  // `slot` is kept as long as the stream lives: what counts streams. The mailbox outlives the call.
  BasicStream(uv::Mailbox& mailbox, std::string address, std::shared_ptr<void> slot);

  void SetListener(BasicListener<F>* listener) override { listener_ = listener; }
  [[nodiscard]] Sent Send(Frame&& frame) override;
  size_t Room() const override;
  Duration Stuck() const override;
  Traffic traffic() const override;
  void Hold(bool hold) override;
  void Close(ByeReason reason, std::string message) override;
  void Abort() override;
  std::string address() const override { return address_; }

  // The call stands: reads begin. Before: what is sent waits.
  void Start(Wire* wire);
  // Whether to read on is the stream's: it calls Wire::Read.
  void OnRead(bool ok, Frame frame);
  void OnWritten(bool ok);
  void OnCancelled();
  // The call is gone, `wire` too.
  void OnDone(ByeReason reason, std::string message);

 private:
  struct Queued {
    Frame frame;
    size_t bytes = 0;  // as counted in queue_bytes_ or received_bytes_
  };
  using Clock = std::chrono::steady_clock;

  void Take(Frame frame);
  bool Flooded();
  void WriteNext();
  void ReadNext();
  void ReadOn();
  void BeginClose(ByeReason reason, std::string message);
  void EndCall(bool read_ended);
  void NoteRoom();
  void Wake();
  bool DeliverFrame();
  void Deliver();

  uv::Mailbox& mailbox_;
  const std::string address_;
  const std::shared_ptr<void> slot_;
  BasicListener<F>* listener_ = nullptr;  // loop thread

  mutable std::mutex mu_;  // guards all below
  Wire* wire_ = nullptr;
  std::deque<Queued> queue_;
  size_t queue_bytes_ = 0;
  size_t written_bytes_ = 0;  // of the write under way
  Clock::time_point write_start_;
  Traffic traffic_;
  bool reading_ = false;
  bool writing_ = false;
  bool held_ = false;
  bool crowded_ = false;   // no room for a largest frame since the last OnWritable
  bool writable_ = false;  // to be told
  bool closing_ = false;   // our Bye is on its way
  bool ended_ = false;     // Wire::End was called, or is not needed any more
  bool done_ = false;
  bool first_ = true;
  bool woken_ = false;  // a Deliver waits in the mailbox
  std::deque<Queued> received_;
  size_t received_bytes_ = 0;
  Closure closure_;
  Clock::time_point window_start_;
  int window_frames_ = 0;
};

using Wire = BasicWire<ControlFrames>;
using Stream = BasicStream<ControlFrames>;
extern template class BasicStream<ControlFrames>;
extern template class BasicStream<ReplicateFrames>;

// Bye.Reason and ours; a number of a later version is kNone.
ByeReason FromProto(v1::Bye::Reason reason);
v1::Bye::Reason ToProto(ByeReason reason);

}  // namespace aurora::peers
