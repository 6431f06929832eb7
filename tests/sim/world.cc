#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "controlplane/membership/message_size.h"
#include "shared/base/check.h"

namespace aurora::membership {

struct NewsForgotten {
  static void By(Membership& m) {
    m.queue_.Clear();
    m.next_gossip_ = Instant::Never();
  }
};

}  // namespace aurora::membership

namespace aurora::sim {

using gossipwire::Message;
using membership::Datagram;
using membership::StreamRequest;

namespace {

constexpr int64_t kUnixAtStart = 1704067200 + 60'000'000;
constexpr size_t kIpUdp = 28;
constexpr size_t kCrc = 5;
constexpr size_t kSocketBuffer = 4096;  // datagrams
constexpr Duration kTcpTimeout = Duration::Seconds(10);

size_t DatagramBytes(const Datagram& d) {
  size_t size = kIpUdp + kCrc + (d.messages.size() > 1 ? 2 : 0);
  for (const Message& m : d.messages) {
    size += membership::MessageSize(m) + (d.messages.size() > 1 ? 2 : 0);
  }
  return size;
}

// As a node state map: an alive message, plus its State key, with "Name" for "Node" and no type byte.
size_t StateBytes(const gossipwire::PushPull& state) {
  size_t size = 40 + 4 * 40;  // the header; about four TCP segments' headers to open and close
  for (const auto& r : state.nodes) {
    size += membership::MessageSize(gossipwire::Alive{r.incarnation, r.name, r.address, r.meta, r.versions}) - 1 + 7;
  }
  return size + size / 1400 * 40;
}

}  // namespace

World::World(int hosts, Config c, uint64_t seed, std::string replay)
    : config(std::move(c)), replay_(std::move(replay)), rng_(seed), hosts_(static_cast<size_t>(hosts)) {
  for (int i = 0; i < hosts; ++i) {
    names_.push_back("n" + std::to_string(i));
    hosts_[static_cast<size_t>(i)].ip = i;
    host_of_ip_.push_back(i);
  }
  seen_.resize(static_cast<size_t>(hosts), std::vector<Seen>(static_cast<size_t>(hosts)));
}

Address World::AddressOfIp(int ip) {
  return {std::string({10, static_cast<char>(ip >> 16), static_cast<char>(ip >> 8 & 255), static_cast<char>(ip & 255)}),
          7946};
}

Duration World::Delay() {
  const auto spread = static_cast<uint64_t>((net.delay_max - net.delay_min).micros());
  Duration d = net.delay_min + Duration::Micros(static_cast<int64_t>(rng_.Below(spread + 1)));
  if (Chance(net.reorder)) {
    d = d + Duration::Micros(static_cast<int64_t>(rng_.Below(50'000)));
  }
  return d;
}

void World::Push(Instant at, Kind kind, int host, uint64_t what) {
  heap_.push({at.micros(), order_++, kind, host, what});
}

// --- life and death --------------------------------------------------------------------------------------------------

void World::StartAll(bool acquainted) {
  if (!acquainted) {
    for (int i = 0; i < size(); ++i) {
      Start(i, false, false);
    }
    return;
  }
  const int everyone_a_seed = std::exchange(seeds, 0);
  gossipwire::PushPull view;
  for (int i = 0; i < size(); ++i) {
    Start(i, false, false);
    host(i).joined = true;
    view.nodes.push_back({name(i), AddressOf(i), core(i)->self().meta, core(i)->incarnation(), NodeState::kAlive, {}});
  }
  for (int i = 0; i < size(); ++i) {
    Call(i, [&](Membership& m, Instant now, Outbox& out) { m.ReceiveStream(now, AddressOf(0), view, out); });
  }
  for (int i = 0; i < size(); ++i) {
    membership::NewsForgotten::By(*core(i));
  }
  seeds = everyone_a_seed;
}

void World::Start(int i, bool keep_disk, bool new_ip) {
  Host& h = host(i);
  AURORA_CHECK(!h.core);
  if (new_ip) {
    h.ip = static_cast<int>(host_of_ip_.size());
    host_of_ip_.push_back(i);
  }
  host_of_ip_[static_cast<size_t>(h.ip)] = i;
  if (!keep_disk) {
    h.disk.reset();
  }
  const int64_t unix_now = kUnixAtStart + (now_ - Instant::FromMicros(0)).micros() / 1'000'000;
  const bool aurora = config.rules == Rules::kAurora;
  const uint32_t start =
      (aurora ? membership::StartIncarnation(h.disk, unix_now - h.wall_behind) : 1) + (h.life == 0 ? aged : 0);
  membership::Identity self{name(i), AddressOf(i), meta, start, {}};
  h.core = std::make_unique<Membership>(config, std::move(self), rng_.Next());
  h.joined = false;
  h.wake_at = Instant::Never();
  ++h.life;
  std::fill(seen_[static_cast<size_t>(i)].begin(), seen_[static_cast<size_t>(i)].end(), Seen{});
  Call(i, [&](Membership& m, Instant now, Outbox& out) { m.Start(now, out); });
  if (seeds > 0) {
    Push(now_ + Duration::Millis(1), Kind::kJoinRetry, i, h.life);
  }
}

void World::Crash(int i) {
  Host& h = host(i);
  h.core.reset();
  h.frozen = h.blocked = false;
  h.unsent.clear();
  for (uint32_t flight : h.unread) {
    free_flights_.push_back(flight);
  }
  h.unread.clear();
}

void World::SwapIps(int a, int b) {
  AURORA_CHECK(!host(a).core && !host(b).core);
  std::swap(host(a).ip, host(b).ip);
}

void World::Freeze(int i, Duration d) {
  if (host(i).core && !host(i).frozen) {
    host(i).frozen = true;
    Push(now_ + d, Kind::kThaw, i, host(i).life);
  }
}

void World::Thaw(int i) {
  Host& h = host(i);
  h.frozen = false;
  Wake(i);  // timers run before sockets are read (libuv before 1.45): the worse order
  for (uint32_t flight : std::exchange(h.unread, {})) {
    Deliver(i, flight);
  }
}

void World::Block(int i, Duration d) {
  if (host(i).core && !host(i).blocked) {
    host(i).blocked = true;
    Push(now_ + d, Kind::kUnblock, i, host(i).life);
  }
}

void World::Unblock(int i) {
  Host& h = host(i);
  h.blocked = false;
  for (Datagram& d : std::exchange(h.unsent, {})) {
    SendDatagram(i, std::move(d));
  }
  for (uint32_t flight : std::exchange(h.unread, {})) {
    Deliver(i, flight);
  }
}

void World::JumpClock(int i, Duration forward) {
  host(i).clock_ahead = host(i).clock_ahead + forward;
  if (host(i).core && !host(i).frozen) {
    Wake(i);
  }
}

// --- the loop --------------------------------------------------------------------------------------------------------

void World::At(Instant when, std::function<void()> script) {
  scripts_.push_back(std::move(script));
  Push(when, Kind::kScript, 0, scripts_.size() - 1);
}

void World::RunUntil(Instant end) {
  while (!heap_.empty() && heap_.top().at <= end.micros()) {
    const Scheduled e = heap_.top();
    heap_.pop();
    now_ = Instant::FromMicros(e.at);
    Handle(e);
  }
  now_ = end;
}

bool World::RunUntilTrue(Duration at_most, Duration step, const std::function<bool()>& done) {
  const Instant end = now_ + at_most;
  while (now_ < end) {
    if (done()) {
      return true;
    }
    RunUntil(std::min(end, now_ + step));
  }
  return done();
}

void World::Handle(const Scheduled& e) {
  ++steps_;
  switch (e.kind) {
    case Kind::kFlight:
      Deliver(e.host, static_cast<uint32_t>(e.what));
      break;
    case Kind::kWake:
      if (host(e.host).wake_at.micros() == e.at) {
        host(e.host).wake_at = Instant::Never();
        if (host(e.host).core && !host(e.host).frozen) {
          Wake(e.host);
        }
      }
      break;
    case Kind::kThaw:
      if (host(e.host).core && host(e.host).frozen && host(e.host).life == e.what) {
        Thaw(e.host);
      }
      break;
    case Kind::kUnblock:
      if (host(e.host).core && host(e.host).blocked && host(e.host).life == e.what) {
        Unblock(e.host);
      }
      break;
    case Kind::kStream:
      ServeStream(e.host, e.what);
      break;
    case Kind::kReply:
      FinishStream(e.what, true);
      break;
    case Kind::kStreamFailed:
      FinishStream(e.what, false);
      break;
    case Kind::kJoinRetry:
      if (host(e.host).core && host(e.host).life == e.what && !host(e.host).joined) {
        Join(e.host);
        Push(now_ + Duration::Seconds(1), Kind::kJoinRetry, e.host, e.what);
      }
      break;
    case Kind::kScript: {
      const auto script = std::move(scripts_[e.what]);
      script();
      break;
    }
  }
}

void World::Wake(int i) {
  Call(i, [](Membership& m, Instant now, Outbox& out) {
    if (m.NextDeadline() <= now) {
      m.Tick(now, out);
    }
  });
}

void World::Deliver(int i, uint32_t index) {
  Host& h = host(i);
  if (h.core && (h.frozen || h.blocked)) {
    if (h.unread.size() < kSocketBuffer) {
      h.unread.push_back(index);
    } else {
      free_flights_.push_back(index);
    }
    return;
  }
  if (h.core) {
    const std::vector<Message> messages = std::move(flights_[index].messages);
    const Address from = AddressOfIp(flights_[index].from_ip);
    Call(i, [&](Membership& m, Instant now, Outbox& out) {
      for (const Message& message : messages) {
        m.Receive(now, from, message, out);
      }
    });
  }
  free_flights_.push_back(index);
}

void World::Carry(int i) {
  Host& h = host(i);
  if (out_.persist_incarnation) {
    h.disk = out_.persist_incarnation;
  }
  for (Datagram& d : out_.datagrams) {
    SendDatagram(i, std::move(d));
  }
  for (StreamRequest& s : out_.streams) {
    BeginStream(i, std::move(s));
  }
  const bool wants_seed = out_.wants_seed && seeds > 0;
  if (!out_.events.empty()) {
    for (const Event& e : out_.events) {
      NoteEvent(i, e);
    }
  }
  out_.Clear();
  const Instant due = h.core->NextDeadline() - h.clock_ahead;
  if (due < h.wake_at) {
    h.wake_at = std::max(due, now_);
    Push(h.wake_at, Kind::kWake, i, 0);
  }
  if (on_step) {
    on_step(i);
  }
  if (wants_seed) {
    AskSeed(i, static_cast<int>(rng_.Below(static_cast<uint64_t>(std::min(seeds, size())))), false);
  }
}

void World::SendDatagram(int i, Datagram datagram) {
  Host& h = host(i);
  if (h.blocked) {
    if (h.unsent.size() < kSocketBuffer) {
      h.unsent.push_back(std::move(datagram));
    }
    return;
  }
  ++h.packets;
  h.bytes += DatagramBytes(datagram);
  const std::string& ip = datagram.to.ip;
  const int to_ip = static_cast<uint8_t>(ip[1]) << 16 | static_cast<uint8_t>(ip[2]) << 8 | static_cast<uint8_t>(ip[3]);
  if (to_ip >= static_cast<int>(host_of_ip_.size())) {
    return;
  }
  const int to = host_of_ip_[static_cast<size_t>(to_ip)];
  if (host(to).ip != to_ip || !host(to).core || Cut(i, to) || Chance(net.loss)) {
    return;
  }
  for (int copies = Chance(net.duplicate) ? 2 : 1; copies > 0; --copies) {
    uint32_t index;
    if (free_flights_.empty()) {
      index = static_cast<uint32_t>(flights_.size());
      flights_.emplace_back();
    } else {
      index = free_flights_.back();
      free_flights_.pop_back();
    }
    flights_[index].from_ip = h.ip;
    if (copies == 1) {
      flights_[index].messages = std::move(datagram.messages);
    } else {
      flights_[index].messages = datagram.messages;
    }
    Push(now_ + Delay(), Kind::kFlight, to, index);
  }
}

// --- streams ---------------------------------------------------------------------------------------------------------

void World::Join(int i) {
  for (int seed = 0; seed < std::min(seeds, size()); ++seed) {
    AskSeed(i, seed, true);
  }
}

void World::AskSeed(int i, int seed, bool join) {
  if (seed != i) {
    Call(i, [&](Membership& m, Instant now, Outbox& out) { m.Contact(now, AddressOf(seed), join, out); });
  }
}

void World::BeginStream(int i, StreamRequest request) {
  const std::string& ip = request.to.ip;
  const int to_ip = static_cast<uint8_t>(ip[1]) << 16 | static_cast<uint8_t>(ip[2]) << 8 | static_cast<uint8_t>(ip[3]);
  uint64_t index;
  if (free_streams_.empty()) {
    index = streams_.size();
    streams_.push_back(std::make_unique<Stream>());
  } else {
    index = free_streams_.back();
    free_streams_.pop_back();
    streams_[index] = std::make_unique<Stream>();
  }
  Stream& s = *streams_[index];
  s.from = i;
  s.life = host(i).life;
  s.request = std::move(request);
  const bool exists = to_ip < static_cast<int>(host_of_ip_.size());
  const int to = exists ? host_of_ip_[static_cast<size_t>(to_ip)] : 0;
  if (!exists || host(to).ip != to_ip || net.tcp_blocked || Cut(i, to) || Cut(to, i)) {
    Push(now_ + kTcpTimeout, Kind::kStreamFailed, i, index);
  } else if (!host(to).core) {
    Push(now_ + Delay() + Delay(), Kind::kStreamFailed, i, index);  // refused
  } else {
    if (s.request.kind == StreamRequest::Kind::kPushPull) {
      s.state = core(i)->LocalState(s.request.join);
      host(i).bytes += StateBytes(s.state);
    }
    Push(now_ + Delay() + Delay() + Delay(), Kind::kStream, to, index);
  }
}

void World::ServeStream(int i, uint64_t index) {
  Stream& s = *streams_[index];
  Host& h = host(i);
  if (!h.core) {
    FinishStream(index, false);
    return;
  }
  if (h.frozen || h.blocked) {  // the kernel accepted; the process answers when it can
    Push(now_ + Duration::Millis(100), Kind::kStream, i, index);
    return;
  }
  if (s.request.kind == StreamRequest::Kind::kPing) {
    const bool ours = core(i)->AnswersStreamPing(s.request.ping);
    Push(now_ + Delay(), ours ? Kind::kReply : Kind::kStreamFailed, s.from, index);
    return;
  }
  const gossipwire::PushPull theirs = std::move(s.state);
  Call(i, [&](Membership& m, Instant now, Outbox& out) {
    s.state = m.ReceiveStream(now, AddressOf(s.from), theirs, out);
  });
  h.bytes += StateBytes(s.state);
  Push(now_ + Delay(), Kind::kReply, s.from, index);
}

void World::FinishStream(uint64_t index, bool answered) {
  const std::unique_ptr<Stream> s = std::move(streams_[index]);
  free_streams_.push_back(index);
  Host& h = host(s->from);
  if (!h.core || h.life != s->life) {
    return;
  }
  if (h.frozen || h.blocked) {
    streams_[index] = std::make_unique<Stream>(std::move(*s));
    free_streams_.pop_back();
    Push(now_ + Duration::Millis(100), answered ? Kind::kReply : Kind::kStreamFailed, s->from, index);
    return;
  }
  Call(s->from, [&](Membership& m, Instant now, Outbox& out) {
    if (!answered) {
      m.OnStreamFailed(now, s->request.id, out);
    } else if (s->request.kind == StreamRequest::Kind::kPing) {
      m.OnStreamPong(now, s->request.id, out);
    } else {
      m.OnStreamState(now, s->request.id, s->state, out);
      h.joined = true;
    }
  });
}

}  // namespace aurora::sim
