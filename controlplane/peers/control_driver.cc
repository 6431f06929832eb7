#include "controlplane/peers/control_driver.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "aurora/v1/sync.pb.h"

namespace aurora::peers {
namespace {

constexpr size_t kMailboxTasks = 4096;  // a stream posts at most two
constexpr Duration kParting = Duration::Seconds(1);  // for a Bye to get out

}  // namespace

template <class F>
LinkDriver<F>::LinkDriver(uv::Loop& loop, MeshConfig config, uint64_t seed, std::shared_ptr<const ControlTls> tls)
    : mailbox_(loop, kMailboxTasks),
      timer_(loop, [this] { OnTimer(); }),
      mesh_(std::move(config), seed),
      client_(std::make_unique<StreamClient<F>>(mailbox_, std::move(tls))) {}

template <class F>
LinkDriver<F>::~LinkDriver() {
  // No callback any more: who is told would be half destroyed.
  mailbox_.Close();
  for (const auto& [id, entry] : entries_) {
    if (!entry->closing) {
      entry->link->Close(ByeReason::kShutdown, "shutting down");
    }
  }
  client_.reset();
}

// ---- streams

template <class F>
typename LinkDriver<F>::Entry& LinkDriver<F>::Add(LinkId id) {
  auto& entry = entries_[id];
  entry = std::make_unique<Entry>(*this, id);
  return *entry;
}

template <class F>
typename LinkDriver<F>::Entry* LinkDriver<F>::UpEntry(std::string_view uid) const {
  const auto found = entries_.find(mesh_.Find(uid));
  return found == entries_.end() ? nullptr : found->second.get();
}

template <class F>
void LinkDriver<F>::OnAccepted(std::shared_ptr<BasicLink<F>> link) {
  MeshActions actions;
  const LinkId id = mesh_.Accept(Now(), actions);
  Entry& entry = Add(id);
  link->SetListener(&entry);
  entry.link = std::move(link);
  Apply(std::move(actions));
}

template <class F>
Sent LinkDriver<F>::SendOn(Entry& entry, Frame&& frame) {
  return entry.closing ? Sent::kGone : entry.link->Send(std::move(frame));
}

template <class F>
void LinkDriver<F>::CloseEntry(Entry& entry, ByeReason reason, std::string_view message) {
  MeshActions actions;
  mesh_.Close(Now(), entry.id, reason, message, actions);
  Apply(std::move(actions));
}

template <class F>
void LinkDriver<F>::OnHello(Entry& entry, const Hello& hello) {
  if (entry.closing) {
    return;
  }
  entry.hello = std::make_shared<Hello>(hello);
  const Judgement judgement = Judge(entry, hello);
  MeshActions actions;
  mesh_.OnHello(Now(), entry.id, judgement.peer, judgement.verdict, actions);
  Apply(std::move(actions));
}

template <class F>
void LinkDriver<F>::OnFrame(Entry& entry, Frame& frame) {
  if (!entry.closing) {
    Received(entry, frame);
  }
}

template <class F>
void LinkDriver<F>::OnClosed(Entry& entry, const Closure& closure) {
  const LinkId id = entry.id;
  // The mesh knows it no more when it was ours to close.
  const bool news = !entry.closing;
  entry.closing = true;
  if (news && closure.reason != ByeReason::kNone && IsRefusal(closure.reason)) {
    Refused(entry, closure.by_peer, closure.reason, closure.message);
  }
  if (news && entry.outbound && entry.uid.empty()) {
    DialFailed(entry, closure.reason, closure.message);
  }
  Ended(entry);
  MeshActions actions;
  mesh_.OnClosed(Now(), id, closure.reason, closure.message, actions);
  entries_.erase(id);
  Apply(std::move(actions));
}

// ---- what the mesh decides

// A callback may come back in here: what it causes is done after what caused it.
template <class F>
void LinkDriver<F>::Apply(MeshActions actions) {
  todo_.insert(todo_.end(), std::make_move_iterator(actions.begin()), std::make_move_iterator(actions.end()));
  if (applying_) {
    return;
  }
  applying_ = true;
  while (!todo_.empty()) {
    const MeshAction action = std::move(todo_.front());
    todo_.pop_front();
    Do(action);
  }
  applying_ = false;
  Arm();
}

template <class F>
void LinkDriver<F>::Do(const MeshAction& action) {
  switch (action.kind) {
    case MeshAction::Kind::kDial:
      DoDial(action);
      break;
    case MeshAction::Kind::kClose:
      DoClose(action);
      break;
    case MeshAction::Kind::kUp:
      DoUp(action);
      break;
    case MeshAction::Kind::kDown:
      IsDown(action);
      break;
  }
}

template <class F>
void LinkDriver<F>::DoDial(const MeshAction& action) {
  Entry& entry = Add(action.link);
  entry.outbound = true;
  entry.target = action.node_id;
  entry.target_uid = action.uid;
  entry.link = client_->Dial(action.address, &entry);
  Greet(entry);
}

template <class F>
void LinkDriver<F>::DoClose(const MeshAction& action) {
  const auto found = entries_.find(action.link);
  if (found == entries_.end() || found->second->closing) {
    return;
  }
  Entry& entry = *found->second;
  entry.closing = true;
  entry.abort_at = Now() + kParting;
  entry.link->Close(action.reason, action.message);
  if (action.reason == ByeReason::kNone) {
    entry.link->Abort();
  }
  if (IsRefusal(action.reason)) {
    Refused(entry, false, action.reason, action.message);
  }
  const bool given_up = action.reason == ByeReason::kNone || IsRefusal(action.reason);
  if (entry.outbound && entry.uid.empty() && given_up) {
    DialFailed(entry, action.reason, action.message);
  }
}

template <class F>
void LinkDriver<F>::DoUp(const MeshAction& action) {
  const auto found = entries_.find(action.link);
  if (found == entries_.end() || found->second->closing) {
    return;
  }
  Entry& entry = *found->second;
  entry.uid = action.uid;
  if (!entry.outbound) {
    Greet(entry);
  }
  IsUp(entry, action);
}

// ---- time

template <class F>
void LinkDriver<F>::OnTimer() {
  const Instant now = Now();
  for (const auto& [id, entry] : entries_) {
    if (entry->abort_at <= now) {
      entry->abort_at = Instant::Never();
      entry->link->Abort();
    }
  }
  MeshActions actions;
  mesh_.Tick(now, actions);
  Apply(std::move(actions));
}

template <class F>
void LinkDriver<F>::Arm() {
  Instant next = mesh_.NextDeadline();
  for (const auto& [id, entry] : entries_) {
    next = std::min(next, entry->abort_at);
  }
  timer_.StartAt(next);
}

template class LinkDriver<ControlFrames>;
template class LinkDriver<ReplicateFrames>;

}  // namespace aurora::peers
