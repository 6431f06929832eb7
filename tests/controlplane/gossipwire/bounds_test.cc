// How much memory hostile input can make the codec take: every allocation of this process is counted.
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/layers.h"
#include "controlplane/gossipwire/lzw.h"
#include "controlplane/gossipwire/packet.h"
#include "controlplane/gossipwire/stream.h"
#include "tests/controlplane/gossipwire/random_message.h"
#include "tests/controlplane/gossipwire/vectors.h"
#include "tests/support/test.h"

namespace {

size_t g_now = 0;
size_t g_peak = 0;
size_t g_calls = 0;

void* Allocate(size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) {
    std::abort();
  }
  g_now += malloc_usable_size(block);
  g_peak = std::max(g_peak, g_now);
  ++g_calls;
  return block;
}

void Free(void* block) {
  if (block != nullptr) {
    g_now -= malloc_usable_size(block);
    std::free(block);
  }
}

}  // namespace

void* operator new(size_t size) {
  return Allocate(size);
}
void* operator new[](size_t size) {
  return Allocate(size);
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void operator delete(void* pointer) noexcept {
  Free(pointer);
}
void operator delete[](void* pointer) noexcept {
  Free(pointer);
}
void operator delete(void* pointer, size_t) noexcept {
  Free(pointer);
}
void operator delete[](void* pointer, size_t) noexcept {
  Free(pointer);
}

namespace aurora::gossipwire {
namespace {

struct Usage {
  size_t peak;
  size_t calls;
};

template <typename F>
Usage Measure(F run) {
  const size_t before = g_now, calls = g_calls;
  g_peak = g_now;
  run();
  return {g_peak - before, g_calls - calls};
}

constexpr size_t kMiB = 1u << 20;

}  // namespace

TEST_CASE("Reading a msgpack map allocates nothing, whatever it is") {
  Rng rng(1);
  const std::string alive = EncodeMessage(RandomMessage(rng));
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = rng.OneIn(2) ? RandomText(rng, 1, 100) : alive;
    bytes[static_cast<size_t>(rng.Below(bytes.size()))] = static_cast<char>(rng.Below(256));
    const Usage usage = Measure([&] { ReadMap(bytes, {}, [](std::string_view, const Value&) { return true; }); });
    REQUIRE(usage.calls == 0);
  }
}

TEST_CASE("A length a header claims allocates nothing") {
  // Each claims up to 4 GiB of text, entries or extension; most of them as a value, some as the map itself.
  for (const char* hex : {"81a161dbffffffff", "81a161c6ffffffff", "81a161c9ffffffff", "81a161d9ff", "81a161daffff",
                          "81a161ddffffffff", "81a161dfffffffff", "dfffffffff", "deffff", "81dbffffffff",
                          "81a161c9ffffffff00", "81a161dcffff", "ddffffffff"}) {
    const std::string bytes = Hex(hex);
    INFO(hex);
    MapResult result;
    const Usage usage =
        Measure([&] { result = ReadMap(bytes, {}, [](std::string_view, const Value&) { return true; }); });
    CHECK(usage.calls == 0);
    CHECK(result.parse != Parse::kOk);
  }
  for (const char* hex : {"06", "08", "00", "09", "02", "0d"}) {
    for (const char* claim : {"81dbffffffff", "dfffffffff", "81a55374617465dbffffffff", "81a3427566dbffffffff"}) {
      const std::string wire = Hex(std::string(hex) + claim);
      StreamDecoder decoder({}, StreamDecoder::Side::kInbound);
      const Usage usage = Measure([&] { decoder.Feed(wire); });
      CHECK(decoder.state() == StreamDecoder::State::kRefused);
      CHECK(usage.peak < 1024);
    }
  }
}

TEST_CASE("A push/pull that claims a million nodes takes memory for the bytes that came") {
  const std::string wire = Hex("0683a44a6f696ec2a54e6f646573ce00100000ac5573657253746174654c656ece01400000") +
                           Hex("82a441646472a40a0a0a0aa44e616d65a161");
  StreamDecoder decoder({}, StreamDecoder::Side::kInbound);
  CHECK(Measure([&] { decoder.Feed(wire); }).peak < 2048);
  CHECK(decoder.state() == StreamDecoder::State::kMore);
  StreamDecoder user({}, StreamDecoder::Side::kInbound);
  CHECK(Measure([&] { user.Feed(Hex("0881aa557365724d73674c656ece01400000")); }).peak < 2048);
}

TEST_CASE("A sealed stream takes memory for the bytes that came") {
  const Keyring ring = Keyring::Make({std::string(16, 'k')}).value();
  StreamConfig config;
  config.keys = &ring;
  StreamDecoder decoder(config, StreamDecoder::Side::kInbound);
  const std::string head = Hex("0a01400000"), chunk(1000, 'x');
  CHECK(Measure([&] { decoder.Feed(head); }).peak < 1024);
  const Usage usage = Measure([&] {
    for (int i = 0; i < 100; ++i) {
      decoder.Feed(chunk);
    }
  });
  CHECK(usage.peak <= 400 * 1000);
}

TEST_CASE("LZW holds at most twice its limit and its table") {
  const std::string bomb = LzwEncode(std::string(16 * kMiB, 'x'));
  for (const size_t limit : {size_t{1000}, 100 * 1000 * size_t{1}, kMiB, 8 * kMiB}) {
    INFO(limit);
    bool ok = true;
    const Usage usage = Measure([&] { ok = LzwDecode(bomb, limit).ok(); });
    CHECK_FALSE(ok);
    // The buffer doubles: the old half and the new one live together for a moment.
    CHECK(usage.peak <= 3 * limit + 65536);
  }
}

TEST_CASE("One datagram, the worst we can think of, takes under 8 MiB") {
  const PacketCodec codec({});
  const std::vector<std::string> nacks(255, EncodeMessage(Nack{1}));
  const std::vector<std::string> names(100, EncodeMessage(Dead{1, std::string(255, 'n'), std::string(255, 'f')}));
  const std::vector<std::string> bombs(60, Compress(std::string(300000, '\x08')));
  for (const std::string& wire :
       {Compress(std::string(8 * kMiB, '\x08')), MakeCompound(bombs),
        Compress(MakeCompound(std::vector<std::string>(25, MakeCompound(nacks)))),
        Compress(MakeCompound(std::vector<std::string>(18, MakeCompound(names)))),
        Compress(MakeCompound(std::vector<std::string>(255, std::string(4000, '\x08')))), std::string(65536, '\x07')}) {
    REQUIRE(wire.size() <= 2 * kMaxDatagram);
    Opened opened;
    const Usage usage = Measure([&] { opened = codec.Open(std::string_view(wire).substr(0, kMaxDatagram)); });
    INFO(wire.size() << " " << opened.messages.size() << " " << opened.dropped);
    CHECK(usage.peak < 8 * kMiB);
  }
}

TEST_CASE("One stream, the worst we can think of, takes under 192 MiB") {
  std::string wire = Hex("0683a44a6f696ec2a54e6f646573ce00100000ac5573657253746174654c656e00");
  const std::string record = Hex("82a441646472a40a0a0a0aa44e616d65a161");
  while (wire.size() < kMaxStreamInflated - 100) {
    wire += record;
  }
  const std::string packed = Compress(wire);
  CHECK(packed.size() < kMiB);
  const std::string* const forms[] = {&wire, &packed};
  for (const std::string* bytes : forms) {
    StreamDecoder decoder({}, StreamDecoder::Side::kInbound);
    const Usage usage = Measure([&] {
      for (size_t at = 0; at < bytes->size() && decoder.state() == StreamDecoder::State::kMore; at += 65536) {
        decoder.Feed(std::string_view(*bytes).substr(at, 65536));
      }
    });
    CHECK(decoder.refusal() == Refusal::kTooMuch);
    CHECK(usage.peak < 192 * kMiB);
  }
}

}  // namespace aurora::gossipwire
